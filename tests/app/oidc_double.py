"""An OpenID provider that lets in whom the test names, over real HTTP: discovery, authorisation code, signed ID token.

It speaks OpenID Connect Core 1.0 (authorisation code flow with a nonce) as far as Streamlit's login uses it, and asks
for no password. Needs joserfc, which comes with Authlib.
"""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.http_double import HttpDouble, HttpHandler

CLIENT_ID, CLIENT_SECRET = "queryforge", "a-secret-of-the-client"


class OidcDouble(HttpDouble):
    """A provider on a free port of this machine; use it in a `with` block."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.claims: dict[str, object] = {}
        """Who is let in next."""
        self.codes: dict[str, dict[str, object]] = {}

    def secrets_toml(self, roles: str) -> str:
        """Write the secrets that make Streamlit use this provider."""
        return (
            '[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            f'cookie_secret = "{secrets.token_hex(16)}"\nclient_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{self.host}/.well-known/openid-configuration"\n\n[roles]\n{roles}\n'
        )


class _Handler(HttpHandler):
    owner: OidcDouble

    def do_GET(self) -> None:
        """Say what there is, give the key, and send a person back with a code."""
        host, parts = self.owner.host, urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            self.send_json(
                200,
                {
                    "issuer": host, "authorization_endpoint": f"{host}/authorize", "token_endpoint": f"{host}/token",
                    "jwks_uri": f"{host}/jwks", "response_types_supported": ["code"],
                    "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                    "code_challenge_methods_supported": ["S256"],
                },
            )  # fmt: skip
        elif parts.path == "/jwks":
            self.send_json(200, {"keys": [self.owner.key.as_dict(private=False)]})
        elif parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = secrets.token_hex(8)
            self.owner.codes[code] = {**self.owner.claims, "nonce": asked.get("nonce")}
            answer = urlencode({"code": code, "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{answer}")
            self.end_headers()
        else:
            self.send_json(404, {"error": "not_found"})

    def do_POST(self) -> None:
        """Give an ID token for a code, once."""
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        claims = self.owner.codes.pop(form.get("code", [""])[0], None)
        if self.headers.get("Authorization") != f"Basic {basic}" or claims is None:
            self.send_json(400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        payload: dict[str, Any] = {"iss": self.owner.host, "aud": CLIENT_ID, "iat": now, "exp": now + 600, **claims}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, payload, self.owner.key)
        self.send_json(200, {"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})
