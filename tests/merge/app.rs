//! The state, the router, the start and the order of the shutdown.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{Router, middleware::from_fn_with_state};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::worker::Workers;
use crate::{
    admin, config::Config, db::Db, error::AppError, handlers, middleware, readiness::Draining,
    server, telemetry::metrics::Metrics,
};

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub db: Db,
    pub metrics: Arc<Metrics>,
    pub draining: Arc<Draining>,
    pub workers: Workers,
}

impl AppState {
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(&config.metrics));
        Ok(Self {
            db: Db::new(&config.database, Arc::clone(&metrics))?,
            metrics,
            draining: Arc::default(),
            workers: Workers::start(&config.worker_pool).context("the worker pool")?,
            config: Arc::new(config),
        })
    }
}

/// The traffic router: the API and nothing else.
pub fn router(state: AppState) -> Router {
    handlers::router(&state.config)
        .fallback(async || AppError::NotFound)
        .method_not_allowed_fallback(async || AppError::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), middleware::observe))
        .with_state(state)
}

/// A service whose listeners are open.
pub struct App {
    state: AppState,
    traffic: TcpListener,
    admin: TcpListener,
}

impl App {
    pub async fn bind(config: Config) -> anyhow::Result<Self> {
        let bind = async |name: &str, address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| format!("{name} {address}"))
        };
        let traffic = bind("server.listen", config.server.listen).await?;
        let admin = bind("admin.listen", config.admin.listen).await?;
        Ok(Self { state: AppState::new(config)?, traffic, admin })
    }

    /// Addresses of the traffic and the admin listener.
    pub fn addresses(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        Ok((self.traffic.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `stop`, then shuts down in order: not ready, traffic drained, workers drained, pool closed, admin
    /// listener last, so that probes and metrics are answered to the end.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { state, traffic, admin } = self;
        let shutdown = state.config.shutdown.clone();
        let limits = server::Limits {
            header_timeout: state.config.server.header_timeout,
            max_connections: state.config.server.max_connections,
        };
        let (stop_traffic, stop_admin) = (CancellationToken::new(), CancellationToken::new());
        let serve_admin = server::serve(
            admin,
            admin::router(state.clone()),
            server::Limits { max_connections: 100, ..limits },
            stop_admin.clone(),
        );
        let admin = tokio::spawn(serve_admin);
        let traffic = tokio::spawn(server::serve(
            traffic,
            router(state.clone()),
            limits,
            stop_traffic.clone(),
        ));

        stop.await;
        tracing::info!("draining");
        state.draining.begin();
        tokio::time::sleep(shutdown.drain_delay).await;
        stop_traffic.cancel();
        let drained = tokio::time::timeout(shutdown.grace, async {
            traffic.await?;
            state.workers.drain().await;
            anyhow::Ok(())
        });
        let drained = drained.await;
        state.db.close();
        stop_admin.cancel();
        // A prober that keeps its connection open does not hold the process up.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), admin).await;
        drained.context("requests or tasks were still running when the grace period ended")??;
        tracing::info!("stopped");
        Ok(())
    }
}
