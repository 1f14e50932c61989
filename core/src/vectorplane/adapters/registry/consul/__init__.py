"""Consul: entries of the operator in its catalog (`ports.exposure.Provider`), and a service's own
registration with an agent."""

from vectorplane.adapters.registry.consul.agent import AgentService, ConsulAgent
from vectorplane.adapters.registry.consul.catalog import ConsulCatalog

__all__ = ["AgentService", "ConsulAgent", "ConsulCatalog"]
