//! Logins of all generations (http.md 10.4, 12.5), answered as with authentication off: whoever they are, clients that log
//! in may go on. Nothing is protected by it.

use serde_json::json;

use crate::http::nacos::{
    Answer, Call, Fault,
    Generation::{V1, V3},
    Route, Step,
    operation::{Kind, Method::Post, Operation, Param},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Post, "/v1/auth/login", V1, &LOGIN),
    Route::new(Post, "/v1/auth/users/login", V1, &LOGIN),
    Route::new(Post, "/v3/auth/user/login", V3, &LOGIN),
];

const LOGIN: Operation = Operation {
    name: "login",
    summary: "Gives a token to who has a name.",
    params: &[
        Param::new(Kind::Text, "username", "nacos", "Who.").required(),
        Param::new(Kind::Text, "password", "nacos", "Their password; any will do.").required(),
    ],
    faults: &[],
    run: login,
};

/// Seconds that clients keep the token.
const LIFETIME: u32 = 18_000;

fn login(call: &Call<'_>) -> Result<Step, Fault> {
    let username = call.single("username", "String")?;
    call.single("password", "String")?;
    let token = json!({
        "accessToken": "AUTH_DISABLED",
        "tokenTtl": LIFETIME,
        "globalAdmin": true,
        "username": username,
    });
    Ok(Answer::bare(&token).into())
}
