//! Who may call: what a token, a wrong one and none at all are answered.

mod roles;
mod settings;
mod token;
mod tokens;
