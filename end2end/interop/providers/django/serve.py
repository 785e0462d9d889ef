"""django-oauth-toolkit with one user and two clients, all in memory. Arguments: its port, the application's origin, the lifetime of access
tokens, `cors-headers` when django-cors-headers answers CORS in its place, and the application's and the gate's identifiers and secret."""

import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings

# Without this, oauthlib allows CORS for https origins only.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

port, app_origin, lifetime, cors, client_id, gate_id, gate_secret = sys.argv[1:]
origin = f"http://127.0.0.1:{port}"
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

LOGIN = """<!doctype html><title>Log in</title><form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>"""

settings.configure(
    SECRET_KEY="a secret for its own cookies",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    # Shared by the threads, and deleted with the process.
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:provider?mode=memory&cache=shared", "OPTIONS": {"uri": True}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "corsheaders",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        *(["corsheaders.middleware.CorsMiddleware"] if cors else []),
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    CORS_ALLOWED_ORIGINS=[app_origin],
    # Creates the tables from the models, because running all migrations takes seconds.
    MIGRATION_MODULES={app: None for app in ["auth", "contenttypes", "sessions", "oauth2_provider"]},
    # A fast hash, because each sign-in hashes a password.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request"],
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN}),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
        "ALLOWED_SCHEMES": ["http", "https"],
        "SCOPES": {"openid": "Who you are", "profile": "Your name", "introspection": "Look at tokens"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(lifetime),
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider import urls  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


class Validator(OAuth2Validator):
    """With the user's name in the ID token, as its documentation shows."""

    def get_additional_claims(self, request):
        return {"name": request.user.get_full_name(), "preferred_username": request.user.get_username()}


urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls")),
    path("", include((urls.metadata_urlpatterns, "metadata"))),
]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


# The database exists as long as a connection to it.
keep = connection.cursor()
call_command("migrate", run_syncdb=True, verbosity=0)
User.objects.create_user("alice", password="alice", first_name="Alice", last_name="Example")
Application.objects.create(
    client_id=client_id,
    name="The application",
    client_type=Application.CLIENT_PUBLIC,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    redirect_uris=f"{app_origin}/callback",
    post_logout_redirect_uris=f"{app_origin}/",
    allowed_origins=app_origin,
    algorithm=Application.RS256_ALGORITHM,
    skip_authorization=True,
)
Application.objects.create(
    client_id=gate_id,
    client_secret=gate_secret,
    name="The gate",
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
)
make_server("127.0.0.1", int(port), WSGIHandler(), Server, Quiet).serve_forever()
