"""Policies as the configuration writes them: one module per room, named as it is everywhere."""

from lockgate.policies._base import (
    Authentication,
    Authorization,
    Lists,
    Mode,
    OnError,
    Policy,
    Settings,
    Strict,
    Waiver,
)
from lockgate.policies._parts import Part, PartText, operations, parse_part, parse_parts
from lockgate.policies.api_key import ApiKey
from lockgate.policies.apps import APPS, Apps
from lockgate.policies.basic import Basic
from lockgate.policies.body_limit import BodyLimit
from lockgate.policies.cedar import CEDAR, Cedar
from lockgate.policies.compress import Compress
from lockgate.policies.cors import Cors
from lockgate.policies.decide import Decide, Point
from lockgate.policies.device import Device
from lockgate.policies.enumeration import Enumeration
from lockgate.policies.grpc import Grpc
from lockgate.policies.headers import Headers
from lockgate.policies.inflate import Inflate
from lockgate.policies.introspection import Introspection
from lockgate.policies.ip_filter import AddressEntry, AddressFilter, IpFilter
from lockgate.policies.jwt import Jwt
from lockgate.policies.limits import Limit
from lockgate.policies.minimise import Minimise, MinimiseRule
from lockgate.policies.mtls import Mtls
from lockgate.policies.objects import OBJECTS, ObjectRule, Objects
from lockgate.policies.plugins import Plugin, PluginEntry
from lockgate.policies.properties import PROPERTIES, Properties, PropertyRule
from lockgate.policies.redirect import Redirect
from lockgate.policies.rewrite import Rewrite
from lockgate.policies.risk import Risk
from lockgate.policies.roles import ROLES, Roles
from lockgate.policies.scopes import SCOPES, Scopes
from lockgate.policies.session import Session
from lockgate.policies.signature import Signature
from lockgate.policies.step_up import StepUp
from lockgate.policies.users import USERS, Users
from lockgate.policies.waf import Waf
from lockgate.policies.webhook import Webhook
from lockgate.policies.websocket import WebSocket

__all__ = [
    "APPS",
    "CEDAR",
    "OBJECTS",
    "PROPERTIES",
    "ROLES",
    "SCOPES",
    "USERS",
    "AddressEntry",
    "AddressFilter",
    "ApiKey",
    "Apps",
    "Authentication",
    "Authorization",
    "Basic",
    "BodyLimit",
    "Cedar",
    "Compress",
    "Cors",
    "Decide",
    "Device",
    "Enumeration",
    "Grpc",
    "Headers",
    "Inflate",
    "Introspection",
    "IpFilter",
    "Jwt",
    "Limit",
    "Lists",
    "Minimise",
    "MinimiseRule",
    "Mode",
    "Mtls",
    "ObjectRule",
    "Objects",
    "OnError",
    "Part",
    "PartText",
    "Plugin",
    "PluginEntry",
    "Point",
    "Policy",
    "Properties",
    "PropertyRule",
    "Redirect",
    "Rewrite",
    "Risk",
    "Roles",
    "Scopes",
    "Session",
    "Settings",
    "Signature",
    "StepUp",
    "Strict",
    "Users",
    "Waf",
    "Waiver",
    "WebSocket",
    "Webhook",
    "operations",
    "parse_part",
    "parse_parts",
]
