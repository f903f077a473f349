"""The one way in which the control process calls others: key sets, feeds, webhooks.

An address in a configuration or in somebody's answer must not make Lockgate a
way into the network that it stands in (server-side request forgery). So a name
is resolved here, what it resolves to is checked, and the connection goes to the
very address that was checked, redirects included: a name that resolves
differently a moment later gains nothing. Upstreams are not called from here.

Besides: https unless the operator allowed the address by name, no proxies and
no credentials out of the environment, no cookies, bounds on time and size.
"""

from lockgate.outgoing.addresses import IPAddress, IPNetwork, OutgoingError, Rules, embedded, public
from lockgate.outgoing.client import Answer, Outgoing

__all__ = ["Answer", "IPAddress", "IPNetwork", "Outgoing", "OutgoingError", "Rules", "embedded", "public"]
