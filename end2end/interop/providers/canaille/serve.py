"""Canaille with one person and one client, all in memory. Arguments: its port, the application's origin, the lifetime of tokens,
the algorithm that they are signed with (or nothing)."""

import asyncio
import datetime
import sys

from asgiref.wsgi import WsgiToAsgi
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from hypercorn.asyncio import serve
from hypercorn.config import Config

port, app_origin, lifetime, algorithm = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] or None

app = create_app(
    config={
        "SECRET_KEY": "a secret for its own cookies",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "OAUTH2_TOKEN_EXPIRES_IN": {"authorization_code": lifetime, "refresh_token": lifetime},
        "CANAILLE": {"DATABASE": "memory"},
        # Sign-out redirects to trusted domains only.
        "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["localhost"]},
    },
)

with app.app_context():
    backend = Backend.instance
    backend.save(
        models.User(
            user_name="alice",
            password="alice",
            formatted_name="Alice Example",
            given_name="Alice",
            family_name="Example",
            emails=["alice@example.com"],
        )
    )
    client = models.Client(
        client_id="the-client",
        client_name="The application",
        client_id_issued_at=datetime.datetime.now(datetime.timezone.utc),
        # CORS allows its origin, and it is trusted, so users are not asked for consent.
        client_uri=app_origin,
        redirect_uris=[f"{app_origin}/callback"],
        post_logout_redirect_uris=[f"{app_origin}/"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "profile", "email"],
        token_endpoint_auth_method="none",
        id_token_signed_response_alg=algorithm,
        contacts=[],
    )
    backend.save(client)
    client.audience = [client]
    backend.save(client)

config = Config()
config.bind = [f"127.0.0.1:{port}"]
asyncio.run(serve(WsgiToAsgi(app), config))
