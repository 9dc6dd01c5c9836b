//! Cases about the size of messages and about connections that are no naming clients.

use prost::Message;
use roster::proto::Payload;

use super::{
    compare::Differences,
    errors::{Case, Stage},
};
use crate::support::{Session, payload};

/// A health check of exactly as many bytes as the case names.
pub async fn size(stage: &Stage, case: &Case) -> Differences {
    let number = case.name.split_whitespace().find_map(|word| word.parse().ok());
    let ours = stage.main.client.unary(health_check_of(number.expect("a size"))).await;
    let mut differences = Differences::default();
    differences.answer("answer", &case.line["response"], &ours);
    let health = stage.main.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    differences
}

fn health_check_of(size: usize) -> Payload {
    let mut filler = size - 100;
    loop {
        let request = payload("HealthCheckRequest", format!(r#"{{"filler":"{}"}}"#, "x".repeat(filler)));
        match request.encoded_len() {
            encoded if encoded == size => return request,
            encoded => filler = filler + size - encoded,
        }
    }
}

/// A request on a connection that is set up as another module's.
pub async fn labelless(stage: &mut Stage, case: &Case) -> Differences {
    if stage.labelless.is_none() {
        let setup = r#"{"clientVersion":"x","labels":{"source":"sdk","module":"config"},"abilityTable":{}}"#;
        stage.labelless = Some(Session::connect_as(&stage.node, setup).await);
    }
    let session = stage.labelless.as_ref().expect("just made");
    let ours = session.client.call(case.kind(), case.body().expect("a body")).await;
    let mut differences = Differences::default();
    differences.answer("answer", &case.line["response"], &ours);
    differences
}
