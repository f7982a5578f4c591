//! The rules of MEC a second time, naively, to judge the first: lists of everything that happened,
//! every answer summed again from the beginning with big numbers. Written from the design, sharing
//! no code with what it judges.
//!
//! Never in here: the rules' real implementation, a clock, a stored sum.

mod account;
pub mod amount;
mod answer;
mod audit;
mod audit_trail;
mod command;
mod consume;
mod correct;
mod coverage;
mod decide;
mod entitlement;
mod fall;
mod generate;
mod history;
mod lease;
mod level;
mod limit_note;
mod meter;
mod oracle;
mod overage;
mod plan;
mod plan_end;
mod pool;
mod record;
mod reserve;
mod retry;
mod row;
mod shop;
mod shrink;
mod state;
mod sum;
mod usage;
pub mod window;
mod without;

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
pub use shop::{HOURS, Kind, Resource, Shop, Unit, ZONES};
pub use shrink::shrink;
pub use state::Oracle;
