//! The four value shapes of the export that plain serde types would read too kindly.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A finite `f64`, exactly as written. Integers are accepted too, and become the nearest `f64` (the export writes some radii
/// without a decimal point, and the ages of some stars in seconds as integers of 18 digits); NaN, infinities and text are
/// refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Finite(f64);

impl Finite {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> f64 {
        value.0
    }
}

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FiniteVisitor;

        impl Visitor<'_> for FiniteVisitor {
            type Value = Finite;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Finite, E> {
                if value.is_finite() {
                    Ok(Finite(value))
                } else {
                    Err(E::custom(format_args!("invalid value: {value}, expected a finite number")))
                }
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Finite, E> {
                Ok(Finite(value as f64))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Finite, E> {
                Ok(Finite(value as f64))
            }
        }

        deserializer.deserialize_f64(FiniteVisitor)
    }
}

/// A point `[x, y, z]` in metres.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position(pub [f64; 3]);

impl Position {
    /// Distance to the origin of the frame, in metres.
    #[must_use]
    pub fn length(self) -> f64 {
        let [x, y, z] = self.0;
        x.hypot(y).hypot(z)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <[Finite; 3]>::deserialize(deserializer).map(|xyz| Position(xyz.map(Finite::get)))
    }
}

/// One text in every language the export gives, in the order of the file (`de`, `en`, `es`, `fr`, ...).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<(Box<str>, Box<str>)>);

impl Text {
    /// The text in `language` (`"en"`, `"de"`, ...).
    #[must_use]
    pub fn get(&self, language: &str) -> Option<&str> {
        self.iter().find(|(code, _)| *code == language).map(|(_, text)| text)
    }

    /// The English text; the first language given when there is no English; empty when there is nothing.
    #[must_use]
    pub fn en(&self) -> &str {
        self.get("en").or_else(|| self.iter().next().map(|(_, text)| text)).unwrap_or("")
    }

    /// Every language with its text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(code, text)| (&**code, &**text))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer, "a mapping of language codes to texts").map(Text)
    }
}

/// A mapping from ids to `T`, in the order of the file. A key that comes twice is an error (serde's own maps would keep
/// the last one and say nothing).
#[derive(Clone, Debug, PartialEq)]
pub struct Keyed<T>(pub Vec<(u64, T)>);

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Keyed(Vec::new())
    }
}

impl<T> std::ops::Deref for Keyed<T> {
    type Target = [(u64, T)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer, "a mapping of ids").map(Keyed)
    }
}

fn entries<'de, D, K, T>(deserializer: D, expected: &'static str) -> Result<Vec<(K, T)>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    T: Deserialize<'de>,
{
    struct EntriesVisitor<K, T>(&'static str, std::marker::PhantomData<(K, T)>);

    impl<'de, K: Deserialize<'de> + Ord + fmt::Display, T: Deserialize<'de>> Visitor<'de>
        for EntriesVisitor<K, T>
    {
        type Value = Vec<(K, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<(K, T)>, A::Error> {
            let mut entries: Vec<(K, T)> = Vec::new();
            // The export sorts its keys, and then one comparison per key tells that all are different.
            let mut sorted = true;
            while let Some(key) = map.next_key::<K>()? {
                sorted = sorted && entries.last().is_none_or(|(last, _)| *last < key);
                entries.push((key, map.next_value()?));
            }
            if !sorted {
                let mut keys: Vec<&K> = entries.iter().map(|(key, _)| key).collect();
                keys.sort();
                if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Err(A::Error::custom(format_args!("the key {} comes twice", twice[0])));
                }
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(EntriesVisitor(expected, std::marker::PhantomData))
}

/// An optional id that the export sometimes writes as a float (`metaGroupID: 1.0`).
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<Finite>::deserialize(deserializer)?.map(Finite::get) {
        None => Ok(None),
        Some(id) if id >= 0.0 && id.fract() == 0.0 && id <= 9_007_199_254_740_992.0 => Ok(Some(id as u64)),
        Some(id) => Err(D::Error::custom(format_args!("invalid value: {id}, expected a whole number"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_yaml_ng::from_str;

    use super::*;

    #[test]
    fn numbers_come_out_bit_for_bit() {
        for text in
            ["-9.642032966461757e+16", "513100000", "0.1", "7871430000000000.0", "-0.0", "199886448251073390"]
        {
            assert_eq!(
                from_str::<Finite>(text).unwrap().get().to_bits(),
                text.parse::<f64>().unwrap().to_bits(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for (text, says) in [
            (".nan", "expected a finite number"),
            ("-.inf", "expected a finite number"),
            ("1e999", "expected a finite number"),
            ("'0.5'", "expected a finite number"),
        ] {
            let error = from_str::<Finite>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn ids_above_2_to_the_53_are_exact() {
        let ids: Keyed<u64> = from_str("18446744073709551615: 9007199254740993").unwrap();
        assert_eq!(*ids, [(u64::MAX, 9_007_199_254_740_993)]);
    }

    #[test]
    fn a_position_has_three_coordinates() {
        assert_eq!(from_str::<Position>("- 1.0\n- 2\n- -3.5").unwrap(), Position([1.0, 2.0, -3.5]));
        let error = from_str::<Position>("- 1.0\n- 2.0").unwrap_err().to_string();
        assert!(error.contains("invalid length 2"), "{error}");
    }

    #[test]
    fn a_key_given_twice_is_an_error_even_out_of_order() {
        let error = from_str::<Keyed<u64>>("2: 0\n1: 0\n2: 1").unwrap_err().to_string();
        assert!(error.contains("the key 2 comes twice"), "{error}");
    }

    #[test]
    fn a_text_falls_back_to_the_first_language() {
        let text: Text = from_str("de: Sonne\nfr: Soleil").unwrap();
        assert_eq!((text.en(), text.get("fr"), text.get("ja")), ("Sonne", Some("Soleil"), None));
    }
}
