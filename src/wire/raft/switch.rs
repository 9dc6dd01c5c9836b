//! Switches, by the names they have in the API: those stay, while their order here may not.

use crate::{
    model::{Flag, Language, Probe, ProbePace, ServerStatus, Span, Switch},
    proto::raft::{self as proto, switch::Switch as Kind},
    wire::{
        peer::IllegalMessage,
        raft::settings::{finite, text},
    },
};

pub(super) fn encode_switch(switch: &Switch) -> proto::Switch {
    let kind = match switch {
        Switch::Flag(flag, on) => Kind::Flag(proto::SetFlag { name: Flag::ALL[*flag as usize].1.into(), on: *on }),
        Switch::Span(span, millis) => {
            Kind::Span(proto::SetSpan { name: Span::ALL[*span as usize].1.into(), millis: *millis })
        }
        Switch::DistroThreshold(share) => Kind::DistroThreshold(share.to_bits()),
        Switch::CheckTimes(times) => Kind::CheckTimes(*times),
        Switch::Pace(probe, pace) => Kind::Pace(proto::SetPace {
            name: Probe::ALL[*probe as usize].1.into(),
            max: pace.max,
            min: pace.min,
            factor: pace.factor.to_bits(),
        }),
        Switch::PushVersion(language, version) => Kind::PushVersion(proto::SetVersion {
            language: Language::ALL[*language as usize].1.into(),
            version: version.as_str().into(),
        }),
        Switch::Masters(masters) => {
            Kind::Masters(proto::Texts { texts: masters.iter().map(|master| master.as_str().into()).collect() })
        }
        Switch::LimitedUrls(urls) => Kind::LimitedUrls(proto::LimitedUrls {
            urls: urls
                .iter()
                .map(|(url, status)| proto::LimitedUrl { beginning: url.as_str().into(), status: (*status).into() })
                .collect(),
        }),
        Switch::Status(status) => Kind::Status(status.map_or("", ServerStatus::name).into()),
    };
    proto::Switch { switch: Some(kind) }
}

pub(super) fn decode_switch(switch: proto::Switch) -> Result<Switch, IllegalMessage> {
    let unknown = || IllegalMessage::Missing("a switch");
    Ok(match switch.switch.ok_or_else(unknown)? {
        Kind::Flag(set) => {
            let (flag, ..) = Flag::ALL.into_iter().find(|row| row.1 == set.name).ok_or_else(unknown)?;
            Switch::Flag(flag, set.on)
        }
        Kind::Span(set) => {
            let (span, ..) = Span::ALL.into_iter().find(|row| row.1 == set.name).ok_or_else(unknown)?;
            Switch::Span(span, set.millis)
        }
        Kind::DistroThreshold(share) => Switch::DistroThreshold(finite(share)?),
        Kind::CheckTimes(times) => Switch::CheckTimes(times),
        Kind::Pace(set) => {
            let (probe, ..) = Probe::ALL.into_iter().find(|row| row.1 == set.name).ok_or_else(unknown)?;
            Switch::Pace(probe, ProbePace { max: set.max, min: set.min, factor: finite(set.factor)? })
        }
        Kind::PushVersion(set) => {
            let (language, ..) = Language::ALL.into_iter().find(|row| row.1 == set.language).ok_or_else(unknown)?;
            Switch::PushVersion(language, text(&set.version)?)
        }
        Kind::Masters(masters) => {
            Switch::Masters(masters.texts.iter().map(|master| text(master)).collect::<Result<_, _>>()?)
        }
        Kind::LimitedUrls(limited) => {
            let one = |url: proto::LimitedUrl| -> Result<_, IllegalMessage> {
                let status = u16::try_from(url.status).map_err(|_| IllegalMessage::Range("a status"))?;
                Ok((text(&url.beginning)?, status))
            };
            Switch::LimitedUrls(limited.urls.into_iter().map(one).collect::<Result<_, _>>()?)
        }
        Kind::Status(name) if name.is_empty() => Switch::Status(None),
        Kind::Status(name) => {
            let (status, _) = ServerStatus::ALL.into_iter().find(|row| row.1 == name).ok_or_else(unknown)?;
            Switch::Status(Some(status))
        }
    })
}
