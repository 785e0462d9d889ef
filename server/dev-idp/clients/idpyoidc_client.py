"""idpyoidc, unmodified, against the development provider. `./run --python` sets it up and runs it."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from urllib.parse import parse_qs, urlsplit

import requests
from idpyoidc.client.rp_handler import RPHandler

HERE = pathlib.Path(__file__).parent
REDIRECT_URI = "http://localhost:3000/callback"
# idpyoidc knows no clients without a secret.
CLIENT = {"id": "idpyoidc", "secret": "a-secret-of-thirty-two-characters", "redirect_uris": [REDIRECT_URI]}


def configuration(issuer):
    return {
        "issuer": issuer,
        "client_id": CLIENT["id"],
        "client_secret": CLIENT["secret"],
        "client_type": "oidc",
        "redirect_uris": [REDIRECT_URI],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "client_authn_methods": ["client_secret_basic", "bearer_header"],
        "services": {
            name: {"class": f"idpyoidc.client.oidc.{module}"}
            for name, module in {
                "discovery": "provider_info_discovery.ProviderInfoDiscovery",
                "authorization": "authorization.Authorization",
                "accesstoken": "access_token.AccessToken",
                "refresh_token": "refresh_access_token.RefreshAccessToken",
                "userinfo": "userinfo.UserInfo",
                "end_session": "end_session.EndSession",
            }.items()
        },
        "add_ons": {
            "pkce": {
                "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
            }
        },
    }


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The library writes keys of its own into the working directory.
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.addClassCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        command = [os.environ["DEV_IDP"], "--listen", "127.0.0.1:0", "--config", str(HERE / "provider.toml")]
        cls.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.origin = re.search(r"(http:\S+)/$", cls.process.stdout.readline().strip()).group(1)
        for tenant in ["demo", "plain"]:
            url = f"{cls.origin}/control/clients?tenant={tenant}"
            requests.put(url, json=CLIENT, timeout=10).raise_for_status()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait()
        cls.process.stdout.close()

    def sign_in(self, url):
        """The authorization response, after the login page."""
        with requests.Session() as person:
            page = person.get(url, allow_redirects=False).headers["location"]
            form = {"answer": "sign_in", "username": "alice", "password": "alice"}
            back = person.post(page, data=form, allow_redirects=False).headers["location"]
        self.assertTrue(back.startswith(REDIRECT_URI), back)
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    def whole_flow(self, issuer):
        handler = RPHandler(client_configs={"demo": configuration(issuer)})
        url = handler.begin("demo")
        url = url["url"] if isinstance(url, dict) else url
        answer = self.sign_in(url)
        outcome = handler.finalize(issuer, answer)
        self.assertNotIn("error", outcome)
        self.assertEqual(outcome["userinfo"]["email"], "alice@example.com")
        self.assertEqual(outcome["id_token"]["iss"], issuer)
        state = outcome["state"]
        first = handler.get_session_information(state)["refresh_token"]
        second = handler.refresh_access_token(state)
        self.assertNotEqual(first, second["refresh_token"])
        reuse = {"grant_type": "refresh_token", "refresh_token": first}
        endpoint = f"{issuer.removesuffix('/oauth2/token')}/oauth2/token"
        refused = requests.post(endpoint, data=reuse, auth=(CLIENT["id"], CLIENT["secret"]), timeout=10)
        self.assertEqual((refused.status_code, refused.json()["error"]), (400, "invalid_grant"))

    def test_the_shape_of_asgardeo(self):
        self.whole_flow(f"{self.origin}/t/demo/oauth2/token")

    def test_the_plain_shape(self):
        self.whole_flow(f"{self.origin}/t/plain")


if __name__ == "__main__":
    unittest.main()
