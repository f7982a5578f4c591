//! Tokens as callers bring them, and an API that asks for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mec::http::auth::{Auth, AuthSettings};
use mec::http::browsers::Hosts;
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

use crate::api::{Answer, Api};

pub(super) const SECRET: &str = "a secret that only these tests share";
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");
pub(super) const SETTINGS: AuthSettings<'_> = AuthSettings {
    jwt_secret: SECRET,
    jwt_audience: "",
    jwt_role_claim: "",
    anon_role: "",
};

pub(super) fn signed(secret: &str, header: &Value, claims: &str) -> String {
    let encoded = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let text = format!("{}.{}", encoded(&header.to_string()), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!(
        "{text}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()))
    )
}

pub(super) fn token(claims: &Value) -> String {
    signed(
        SECRET,
        &json!({"alg": "HS256", "typ": "JWT"}),
        &claims.to_string(),
    )
}

pub(super) fn of_role(role: &str) -> String {
    token(&json!({"role": role}))
}

pub(super) async fn asking(settings: AuthSettings<'_>) -> Api {
    Api::asking(Auth::read(settings).expect("settings"), Hosts::default()).await
}

impl Api {
    pub(super) async fn with(
        &self,
        bearer: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        let authorization = format!("Bearer {bearer}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(
            method,
            path,
            &[("authorization", &authorization), JSON],
            body,
        )
        .await
    }
}
