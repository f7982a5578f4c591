//! Facts that requests state, and conditions that look at them.

use super::Generator;
use crate::command::{Attribute, Attributes, Condition, Operator};

impl Generator {
    pub(super) fn attributes(&mut self) -> Attributes {
        let mut attributes = Attributes::new();
        if self.chance.of(3) || self.is_conditional && self.chance.of(2) {
            attributes.insert(
                "tier",
                Attribute::Text(["gold", "silver", "free"][self.chance.place(3)]),
            );
            attributes.insert(
                "size",
                Attribute::Number(self.chance.below(4).cast_signed() * 1_000_000),
            );
            attributes.insert("beta", Attribute::Flag(self.chance.of(2)));
        }
        attributes
    }

    pub(super) fn condition(&mut self) -> Condition {
        match self.chance.below(6) {
            0 => {
                let from = self.chance.below(24).cast_signed() * 3_600;
                Condition::TimeOfDay {
                    from,
                    to: (from + 3_600 * (1 + self.chance.below(22)).cast_signed()) % 86_400,
                }
            }
            1 => Condition::Weekday((1..=7).filter(|_| self.chance.of(2)).chain([1]).collect()),
            _ => self.attribute_condition(),
        }
    }

    pub(super) fn attribute_condition(&mut self) -> Condition {
        let (name, operator, values) = match self.chance.below(4) {
            0 => {
                let operator = [Operator::Gt, Operator::Gte, Operator::Lt, Operator::Lte]
                    [self.chance.place(4)];
                (
                    "size",
                    operator,
                    vec![Attribute::Number(
                        self.chance.below(4).cast_signed() * 1_000_000,
                    )],
                )
            }
            1 => ("beta", Operator::In, vec![Attribute::Flag(true)]),
            place => {
                let operator = if place == 2 {
                    Operator::In
                } else {
                    Operator::NotIn
                };
                (
                    "tier",
                    operator,
                    vec![Attribute::Text("gold"), Attribute::Text("silver")],
                )
            }
        };
        Condition::Attribute {
            name,
            operator,
            values,
        }
    }
}
