//! The rules of MEC a second time, naively, to judge the first: lists of everything that happened,
//! every answer summed again from the beginning with big numbers. Written from the design, sharing
//! no code with what it judges.
//!
//! Never in here: the rules' real implementation, a clock, a stored sum.

pub mod amount;
mod answer;
mod audit;
mod command;
mod coverage;
mod decide;
mod fall;
mod generate;
mod history;
mod lease;
mod oracle;
mod overage;
mod plan;
mod pool;
mod record;
mod reserve;
mod retry;
mod row;
mod shop;
mod shrink;
mod usage;
pub mod window;

pub use answer::{Answer, Bucket, Figures, Limit, Seat, Standing, Told};
pub use audit::{Audit, RowInWords};
pub use command::{
    Action, Attribute, Attributes, Code, Command, Condition, Grant, Id, Meter, Operator, Patch,
    Plan, Provision, Question, RowStatus, Rule, SECOND, Status, Step, Template, Time,
    UsageQuestion, Window,
};
pub use coverage::{Coverage, Rule as Covered};
pub use generate::Generator;
pub use history::{Counter, Effect};
pub use oracle::Oracle;
pub use shop::{HOURS, Kind, Resource, Shop, Unit, ZONES};
pub use shrink::shrink;
