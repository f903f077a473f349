"""The bundle's part about how an upstream's servers get their requests."""

from __future__ import annotations

from typing import TypedDict

from lockgate.config import bundle_types as types
from lockgate.config.model_balance import RETRY_ON, Health, Retry
from lockgate.config.model_balance import Balance as BalanceModel
from lockgate.config.model_upstreams import Upstream


class Spread(TypedDict):
    """The fields of an upstream that say how requests are spread, repeated and held back."""

    targets: list[types.Server]
    balance: types.Balance
    health: types.HealthCheck | None
    passive: types.Passive
    slow_start_ms: int
    retry: types.Retry | None
    breaker: types.Breaker | None
    dns: types.Dns


def spread(upstream: Upstream) -> Spread:
    """These fields, as `bundle/upstreams.rs` declares them."""
    passive, breaker, dns = upstream.health.passive, upstream.breaker, upstream.dns
    return {
        "targets": [
            {"url": server.url, "weight": server.weight, "priority": server.priority} for server in upstream.targets
        ],
        "balance": _balance(upstream.balance),
        "health": _health(upstream.health),
        "passive": {
            "failures": passive.failures,
            "eject_ms": passive.eject,
            "eject_most_ms": max(passive.eject, passive.eject_most),
            "share": passive.share,
            "statuses": passive.statuses,
        },
        "slow_start_ms": upstream.health.slow_start,
        "retry": None if upstream.retry is None else _retry(upstream.retry),
        "breaker": None
        if breaker is None
        else {"concurrent": breaker.concurrent, "queue": breaker.queue, "wait_ms": breaker.wait},
        "dns": {"servers": dns.servers, "least_ms": dns.least, "most_ms": max(dns.least, dns.most)},
    }


def _balance(balance: BalanceModel) -> types.Balance:
    if balance.sticky is not None:
        cookie: types.StickyCookie = {
            "name": balance.sticky.cookie,
            "max_age_s": balance.sticky.max_age // 1000,
        }
        return {"by": "sticky", "key": None, "cookie": cookie}
    if balance.hash is None:
        return {"by": balance.by or "round_robin", "key": None, "cookie": None}
    named = balance.hash
    key: types.HashKey
    if named.header is not None:
        key = {"kind": "header", "name": named.header}
    elif named.cookie is not None:
        key = {"kind": "cookie", "name": named.cookie}
    else:
        key = {"kind": named.by or "client", "name": ""}
    return {"by": "hash", "key": key, "cookie": None}


def _health(health: Health) -> types.HealthCheck | None:
    if health.path is None and not health.connect:
        return None
    return {
        "path": health.path or "",
        "host": health.host,
        "every_ms": health.every,
        "timeout_ms": health.timeout,
        "expect": [{"low": low, "high": high} for low, high in health.expect],
        "unhealthy_after": health.unhealthy_after,
        "healthy_after": health.healthy_after,
    }


def _retry(retry: Retry) -> types.Retry:
    return {
        "attempts": retry.attempts,
        "connect": "connect" in retry.on,
        "reset": "reset" in retry.on,
        "timeout": "timeout" in retry.on,
        "statuses": sorted({int(entry) for entry in retry.on if entry not in RETRY_ON}),
        "budget": retry.budget,
        "per_try_ms": retry.per_try,
    }
