//! Lists of which an item that cannot be read costs itself only.
//!
//! Serde ends at the first mistake. So [`reading`] reads a document once more for each item that has one, and passes over the
//! items found so far. A document without mistakes, which is nearly every one, is read once.

use std::{
    borrow::Cow,
    cell::RefCell,
    fmt,
    iter::{Enumerate, FilterMap},
    marker::PhantomData,
    vec,
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::marked::{Mark, Marked};

/// A list. An item that could not be read leaves its place empty, so that the others keep their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Items<T>(Vec<Result<Boxed<T>, Lost>>);

/// Items hold items: in a box they take little of the stack on the way down.
type Boxed<T> = Marked<Box<T>>;

/// What is known of an item that could not be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lost {
    /// Its `key`, if it has one.
    pub key: Option<String>,
    /// Its `name`.
    pub name: Option<String>,
    /// Which of the mistakes of the document it has.
    pub mistake: usize,
}

impl<T> Items<T> {
    /// Whether nothing was written into it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What could be read, each with its number in the list.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.marked().map(|(index, _, item)| (index, item))
    }

    /// The same, and where it begins.
    pub fn marked(&self) -> impl Iterator<Item = (usize, Mark, &T)> {
        let items = self.0.iter().enumerate();
        items.filter_map(|(index, item)| item.as_ref().ok().map(|item| (index, item.mark, &*item.value)))
    }

    /// What could not be read.
    pub fn lost(&self) -> impl Iterator<Item = &Lost> {
        self.0.iter().filter_map(|item| item.as_ref().err())
    }
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().map(|item| Ok(Marked::unmarked(Box::new(item)))).collect())
    }
}

impl<T> IntoIterator for Items<T> {
    type Item = (usize, T);
    type IntoIter = FilterMap<Enumerate<vec::IntoIter<Result<Boxed<T>, Lost>>>, Kept<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().enumerate().filter_map(|(index, item)| Some((index, *item.ok()?.value)))
    }
}

type Kept<T> = fn((usize, Result<Boxed<T>, Lost>)) -> Option<(usize, T)>;

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// How often a document is read again; bounds the time that one full of mistakes takes.
pub(super) const UNREADABLE_MAX: usize = 100;

/// Calls `read` until nothing is wrong but what was passed over; answers with what was wrong with that, and the rest or why
/// nothing can be read.
pub(super) fn reading<T, E>(mut read: impl FnMut() -> Result<T, E>) -> (Vec<E>, Result<T, E>) {
    let (mut unreadable, mut errors) = (Vec::new(), Vec::new());
    loop {
        PASS.set(Pass { unreadable: std::mem::take(&mut unreadable), ..Pass::default() });
        let result = read();
        let pass = PASS.take();
        unreadable = pass.unreadable;
        match (result, pass.failed) {
            // One that cannot even be passed over: the text around it is broken.
            (Err(error), Some(item))
                if !unreadable.iter().any(|(known, _)| *known == item) && errors.len() < UNREADABLE_MAX =>
            {
                // Those of higher numbers are in it, and nobody counts them from now on.
                unreadable.retain(|(known, _)| *known < item);
                unreadable.push((item, errors.len()));
                errors.push(error);
            }
            (result, _) => return (errors, result),
        }
    }
}

/// Items are numbered as they begin, those inside others too; what is inside one that is passed over has no number.
#[derive(Default)]
struct Pass {
    begun: usize,
    /// Each with the number of its mistake.
    unreadable: Vec<(usize, usize)>,
    /// The innermost one with a mistake.
    failed: Option<usize>,
}

thread_local! {
    // Serde hands nothing of ours down to a `Deserialize`; a document is read by one thread.
    static PASS: RefCell<Pass> = RefCell::default();
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<Item<T>>()? {
                    items.push(item.0);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

struct Item<T>(Result<Boxed<T>, Lost>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (number, mistake) = PASS.with_borrow_mut(|pass| {
            pass.begun += 1;
            let known = pass.unreadable.iter().find(|(item, _)| *item == pass.begun);
            (pass.begun, known.map(|(_, mistake)| *mistake))
        });
        let item = match mistake {
            Some(mistake) => Lost::deserialize(deserializer).map(|lost| Err(Lost { mistake, ..lost })),
            None => Marked::deserialize(deserializer).map(Ok),
        };
        item.map(Self).inspect_err(|_| {
            PASS.with_borrow_mut(|pass| pass.failed = pass.failed.or(Some(number)));
        })
    }
}

impl<'de> Deserialize<'de> for Lost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Skipped::deserialize(deserializer)? {
            Skipped::Map(lost) => Ok(lost),
            Skipped::Text(_) | Skipped::Other => Ok(Self::default()),
        }
    }
}

/// Anything at all, of which little is kept.
enum Skipped {
    Text(String),
    Map(Lost),
    Other,
}

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Skipped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_str<E>(self, text: &str) -> Result<Skipped, E> {
                Ok(Skipped::Text(text.to_owned()))
            }
            fn visit_bytes<E>(self, _: &[u8]) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_unit<E>(self) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_none<E>(self) -> Result<Skipped, E> {
                Ok(Skipped::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Skipped, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Skipped::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skipped, A::Error> {
                let mut lost = Lost::default();
                while let Some(field) = map.next_key::<Skipped>()? {
                    let known = match &field {
                        Skipped::Text(field) if field == "key" => &mut lost.key,
                        Skipped::Text(field) if field == "name" => &mut lost.name,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if let Skipped::Text(text) = map.next_value()? {
                        *known = Some(text);
                    }
                }
                Ok(Skipped::Map(lost))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<T: Serialize> Serialize for Items<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(_, item)| item))
    }
}

impl<T: JsonSchema> JsonSchema for Items<T> {
    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Vec::<T>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        Vec::<T>::inline_schema()
    }
}
