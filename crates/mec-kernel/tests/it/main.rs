//! The kernel, proved: rules as tables a product manager can read, laws as properties, and every
//! counter compared with a naive list of all that was written, after every single command.

mod account_rows;
mod addons;
mod asked;
mod cancellations;
mod catalog;
mod catalog_change;
mod catalog_removal;
mod catalog_rows;
mod corrections;
mod counter_steps;
mod counters;
mod decision_tables;
mod decisions;
mod entitlement_rows;
mod idempotency;
mod late_overage;
mod leases;
mod occupancy;
mod overage;
mod plan_changes;
mod plan_migrations;
mod plans;
mod quantities;
mod recording;
mod refusals;
mod renewals;
mod reservations;
mod scheduled_plans;
mod table;
mod trials;
mod window_reference;
mod windows;
mod world;
mod written;
