//! Who may come in: versions and login. Keys for tokens are not built yet, so the hub listens on loopback alone and takes the
//! subject as it is said.

use entitygraph_schema::wire::{
    Role, VERSION,
    control::message::{self, Code, hello::Login},
};

/// Why a Hello is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code that stays.
    pub code: Code,
    /// For people.
    pub reason: String,
}

/// Judges a Hello of a new session: role and subject.
///
/// # Errors
/// `VERSION` with no version in common, `UNAUTHENTICATED` for a token, `SESSION_GONE` for a resume (no session outlives its
/// connection yet).
pub fn judged(hello: &message::Hello) -> Result<(Role, String), Refusal> {
    let refused = |code, reason: &str| Err(Refusal { code, reason: reason.into() });
    if !(hello.version_min..=hello.version_max).contains(&VERSION) {
        let (low, high) = (hello.version_min, hello.version_max);
        let reason = format!("this hub speaks version {VERSION}, you speak {low} to {high}: update");
        return Err(Refusal { code: Code::Version, reason });
    }
    match &hello.login {
        Some(Login::Subject(subject)) => {
            match message::Role::try_from(subject.role).ok().and_then(message::Role::role) {
                Some(role) if !subject.name.is_empty() => Ok((role, subject.name.clone())),
                _ => refused(Code::Unauthenticated, "a subject has a name and a role"),
            }
        }
        Some(Login::Resume(_)) => {
            refused(Code::SessionGone, "sessions end with their connection: log in again")
        }
        Some(Login::Token(_)) => refused(Code::Unauthenticated, "no keys are configured: name a subject"),
        None => refused(Code::Unauthenticated, "a Hello names a subject"),
    }
}
