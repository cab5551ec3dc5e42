//! The bulk loader: one way into a store for every ingest.
//!
//! A source (the EVE export, our own world format, an older store) publishes its component types and containers, then
//! hands over entities, parents first, and links. The [`Loader`] writes what is new or different and counts the rest, so
//!
//! - a second run over the same source changes nothing and says so;
//! - after a `kill -9` the same command continues: what is there already is read, compared and skipped in large pages,
//!   so no progress record is needed that could disagree with the store;
//! - an item that is refused is reported with its place in the source, and how many are left out because of it; the rest
//!   goes in.
//!
//! # What "different" means
//!
//! A source owns the fields it speaks of. Place, name, radius, zone bounds, root mark, layer and ordinal are always its
//! own. Labels, component values and the owner are only ever added or replaced by a source, never taken away, because
//! others may have put them there. What an entity is (kind and container) never changes; an id that is something else in
//! the store is reported. Buried ids are reported and stay buried.
//!
//! # How it goes
//!
//! ```text
//! producer threads --items--> Loader --batches--> read what exists --> plan and write --> settle, count, report
//!  (parse files)    bounded             bounded      several at once    several at once    in order
//! ```
//!
//! Writes are [`entitygraph_store::Store::accept`]ed in the order of the source, several in flight so that the store's
//! writer is never idle, and made durable by [`entitygraph_store::Store::sync`] at marks. A batch that is refused is tried
//! again after everything before it has settled, then in halves, until the bad items stand alone.
//!
//! Reading order: [`item`] is what goes in, [`report`] what comes out, [`progress`] what is shown meanwhile (`count` in which words); [`loader`]
//! makes batches ([`publish`] what comes before them, [`seen`] what is given twice), [`compare`] decides what each item needs, [`writer`] asks the store, [`pipeline`] keeps the order.

pub mod item;
pub mod report;

pub mod progress;

pub mod loader;

mod compare;
mod count;
mod pipeline;
mod publish;
mod seen;
mod writer;

#[cfg(test)]
mod tests;

pub use item::{Item, Missing, Origin, Problem, Sourced};
pub use loader::{Existing, LoadError, LoadOptions, Loader};
pub use progress::{Bar, Lines, NotesOnly, Progress, Silent, for_terminal};
pub use report::{Report, Tally, problems};
