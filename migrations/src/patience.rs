//! Calls that are made again while the other side cannot answer: a move that takes hours does not end because a server was
//! restarted meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    load::Progress,
    moving::{MoveError, Result},
};

/// Longest time for which one call is made again: a restart of a server, also of one that has much to recover.
pub const LONGEST: Duration = Duration::from_secs(300);

/// Before the first repetition; each later one waits twice as long as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// From this pause on a person is told: shorter ones nobody would have noticed.
const TOLD_PAUSE: Duration = Duration::from_millis(800);

/// How often a person is told that it still fails.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// Makes a call until it comes through, fails for good, or [`LONGEST`] is over. A call that may have done something must do
/// nothing more when it is made again.
pub async fn patiently<T, F>(progress: &dyn Progress, call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    patiently_for(LONGEST, progress, call).await
}

async fn patiently_for<T, F>(
    longest: Duration,
    progress: &dyn Progress,
    mut call: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut failing: Option<Instant> = None;
    let mut told: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match call().await {
            Ok(done) => {
                if let (Some(_), Some(since)) = (told, failing) {
                    progress.note(&format!("it answers again, after {} s", since.elapsed().as_secs()));
                }
                return Ok(done);
            }
            Err(error) => error,
        };
        let failed = failing.get_or_insert_with(Instant::now).elapsed();
        let Some(left) = longest.checked_sub(failed + pause).filter(|_| error.retryable()) else {
            return Err(error);
        };
        if pause >= TOLD_PAUSE && told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let left = left.as_secs();
            progress.note(&match told {
                None => format!("{}; asked again for up to {left} s", short(&error)),
                Some(_) => format!("still no answer; asked again for up to {left} s more"),
            });
            told = Some(Instant::now());
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What failed, and the innermost cause.
fn short(error: &MoveError) -> String {
    let said = match error {
        MoveError::Store { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let cause = innermost.to_string();
    if said.contains(&cause) { said } else { format!("{said} ({cause})") }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Progress for Notes {
        fn stage(&self, _: &str) {}
        fn counts(&self, _: &str, _: Option<u64>) {}
        fn total_bytes(&self, _: u64) {}
        fn bytes(&self, _: u64) {}
        fn items(&self, _: u64) {}
        fn finish(&self) {}
        fn note(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    fn busy() -> MoveError {
        MoveError::store("bolt://x", "writing")(entitygraph_store::Error::Busy { waiting: 3 })
    }

    #[tokio::test]
    async fn a_call_is_made_again_until_it_comes_through_and_a_person_is_told() {
        let (notes, calls) = (Notes::default(), AtomicU32::new(0));
        let call = || async { if calls.fetch_add(1, Ordering::Relaxed) < 4 { Err(busy()) } else { Ok(7) } };
        assert_eq!(patiently(&notes, call).await.unwrap(), 7);
        let notes = notes.0.into_inner().unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].starts_with("the store is busy: 3 ") && notes[0].contains("again for up to 29"),
            "{notes:?}"
        );
        assert!(notes[1].starts_with("it answers again, after "), "{notes:?}");
    }

    #[tokio::test]
    async fn patience_ends_and_what_cannot_come_through_is_not_asked_again() {
        let (start, longest) = (Instant::now(), Duration::from_millis(500));
        let ended = patiently_for(longest, &Notes::default(), || async { Err::<(), _>(busy()) }).await;
        assert!(matches!(ended, Err(MoveError::Store { .. })));
        let asked = start.elapsed();
        assert!(asked >= FIRST_PAUSE * 3 && asked < Duration::from_secs(5), "{asked:?}");

        let calls = AtomicU32::new(0);
        let missing = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            let location = "fjall:x".to_owned();
            Err::<(), _>(MoveError::store("x", "reading")(entitygraph_store::Error::Missing { location }))
        };
        assert!(patiently(&Notes::default(), missing).await.is_err());
        assert_eq!(calls.into_inner(), 1);
    }
}
