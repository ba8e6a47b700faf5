"""Everybody who can be measured, by name."""

from __future__ import annotations

from loadtest.contestants.contestants import BARE, MODELS, Contestant, Kind
from loadtest.contestants.peers import PEERS

PEER_CONTESTANTS = tuple(
    Contestant(peer.name, peer.executable, kind=Kind.peer, model=peer.model, paths=peer.workloads) for peer in PEERS
)

EVERYBODY = (*MODELS, *BARE, *PEER_CONTESTANTS)
