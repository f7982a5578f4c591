//! Usage in quantities that cannot be recorded.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, meter};

pub(super) fn quantities(account: &str) -> Vec<Case> {
    let meter = |more: Value| meter(account, more);
    vec![
        Case(
            "a quantity that rounds to 0",
            "meter_consumption",
            meter(json!({"p_quantity": "0.0000004"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a huge quantity",
            "meter_consumption",
            meter(json!({"p_quantity": 1_000_000_000_000_i64})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity beyond all numbers",
            "meter_consumption",
            meter(json!({"p_quantity": "1e999999999"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is no number",
            "meter_consumption",
            meter(json!({"p_quantity": "NaN"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "an infinite quantity",
            "consume",
            meter(json!({"p_quantity": "Infinity"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is a list",
            "consume",
            meter(json!({"p_quantity": [1]})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is null",
            "consume",
            meter(json!({"p_quantity": null})),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a quantity of 0",
            "meter_consumption",
            meter(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a quantity below 0",
            "meter_consumption",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "nothing to consume",
            "consume",
            meter(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "less than nothing to consume",
            "consume",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "less than nothing to reserve",
            "reserve",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "more given back than there is",
            "consume",
            meter(json!({"p_resource_type": "server_configs", "p_quantity": -1})),
            400,
            "MEC_BELOW_ZERO",
        ),
    ]
}
