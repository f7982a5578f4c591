//! The kernel, proved: rules as tables a product manager can read, laws as properties, and every
//! counter compared with a naive list of all that was written, after every single command.

mod account_rows;
mod catalog;
mod counters;
mod decision_tables;
mod decisions;
mod entitlement_rows;
mod leases;
mod occupancy;
mod overage;
mod plan_changes;
mod plans;
mod quantities;
mod recording;
mod refusals;
mod reservations;
mod table;
mod windows;
mod world;
mod written;
