//! Numbers that count.

use std::borrow::Cow;

use async_graphql::{InputType, InputValueError, InputValueResult, Value as Const, registry::Registry};

/// An `Int` that counts: from 0 to the largest one there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Natural(pub u32);

impl InputType for Natural {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <i32 as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <i32 as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Const>) -> InputValueResult<Self> {
        let number = i32::parse(value).map_err(InputValueError::propagate)?;
        u32::try_from(number)
            .map(Self)
            .map_err(|_| InputValueError::custom(format!("{number} is not from 0 to {}", i32::MAX)))
    }

    fn to_value(&self) -> Const {
        self.0.into()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}
