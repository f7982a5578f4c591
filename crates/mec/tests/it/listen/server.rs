//! A server of the accept loop alone, whose handlers do what a test needs.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::routing::{get, post};
use mec::http::browsers::Hosts;
use mec::http::limits::{Limits, UnusableLimit};
use mec::http::listen::{Drained, serve};
use mec::http::operator::Door;
use mec::http::request_id::RequestId;
use mec::problem::errors::with_fallbacks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::Client;
use super::gate::Gate;
use super::within;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) gate: Arc<Gate>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Result<Drained, UnusableLimit>>,
}

impl Server {
    pub(super) async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let gate = Gate::new();
        let (shutdown, begins) = oneshot::channel();
        let serving = tokio::spawn(serve(
            listener,
            router(Arc::clone(&gate)),
            limits,
            Hosts::default(),
            Door::Public,
            begins,
        ));
        Self {
            address,
            gate,
            shutdown,
            serving,
        }
    }

    pub(super) async fn connect(&self) -> Client {
        Client {
            stream: within(TcpStream::connect(self.address))
                .await
                .expect("a connection"),
            read: Vec::new(),
        }
    }

    pub(super) fn shut_down(self) -> (Arc<Gate>, JoinHandle<Result<Drained, UnusableLimit>>) {
        self.shutdown.send(()).expect("the server runs");
        (self.gate, self.serving)
    }
}

fn router(gate: Arc<Gate>) -> Router {
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/id", get(async |id: RequestId| id.as_str().to_owned()))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/length-elsewhere",
            post(async |body: Body| {
                let reading = tokio::spawn(axum::body::to_bytes(body, usize::MAX));
                let bytes = reading.await.expect("no panic");
                bytes
                    .map(|bytes| bytes.len().to_string())
                    .map_err(|error| (axum::http::StatusCode::BAD_REQUEST, error.to_string()))
            }),
        )
        .route(
            "/held",
            post(async |State(gate): State<Arc<Gate>>, body: Bytes| {
                gate.pass().await;
                body.len().to_string()
            }),
        )
        .route(
            "/length-gated",
            post(async |State(gate): State<Arc<Gate>>, body: Body| {
                gate.pass().await;
                axum::body::to_bytes(body, usize::MAX)
                    .await
                    .expect("a whole body")
                    .len()
                    .to_string()
            }),
        )
        .route(
            "/gate",
            get(async |State(gate): State<Arc<Gate>>| {
                gate.pass().await;
                "through"
            }),
        )
        .route(
            "/stream",
            get(async |State(gate): State<Arc<Gate>>| {
                Body::new(GatedBody {
                    passing: Some(Box::pin(async move { gate.pass().await })),
                })
            }),
        )
        .route(
            "/panic",
            get(async || -> &'static str { panic!("at once, as this test wants it") }),
        )
        .route(
            "/panic-later",
            get(async || -> &'static str {
                tokio::task::yield_now().await;
                panic!("after waiting, as this test wants it")
            }),
        );
    with_fallbacks(router).with_state(gate)
}

/// A body that comes once the gate lets it.
struct GatedBody {
    passing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for GatedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let Some(passing) = &mut self.passing else {
            return Poll::Ready(None);
        };
        ready!(passing.as_mut().poll(cx));
        self.passing = None;
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            b"through",
        )))))
    }
}
