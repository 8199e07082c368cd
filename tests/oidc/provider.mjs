// A certified OpenID Connect provider.
//
//     node provider.mjs ISSUER_PORT CONTROL_PORT
//
// The control port answers `POST /rotate` (a new key signs from now on, the old ones stay published), `POST /withdraw` (only the
// key that signs stays published) and `GET /state`.

import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [issuerPort, controlPort] = process.argv.slice(2).map(Number);
const ISSUER = `http://127.0.0.1:${issuerPort}`;

let made = 0;
function key() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: `key-${made++}` };
}

// Those who ask for tokens; what they are is said in a claim of their tokens.
const ROLES = { "teacher-app": "teacher", "learner-app": "learner" };

function provider(keys) {
  const made = new Provider(ISSUER, {
    jwks: { keys },
    clients: [
      ...Object.keys(ROLES).map((id) => ({
        client_id: id,
        client_secret: `${id} & its secret`,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      })),
      {
        client_id: "gate",
        client_secret: "the gate's own: secret+",
        grant_types: [],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: "api",
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: resource.endsWith("signed") ? "jwt" : "opaque",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
    extraTokenClaims: (ctx, token) => ({ role: ROLES[token.clientId], groups: ["6A"] }),
  });
  made.on("server_error", (ctx, error) => console.error(error));
  return made.callback();
}

let keys = [key()];
let answer = provider(keys);
const counted = { keys: 0, introspection: 0 };
createServer((request, response) => {
  if (request.url === "/jwks") counted.keys += 1;
  if (request.url === "/token/introspection") counted.introspection += 1;
  answer(request, response);
}).listen(issuerPort, "127.0.0.1");

createServer((request, response) => {
  if (request.method === "POST" && request.url === "/rotate") keys = [key(), ...keys];
  if (request.method === "POST" && request.url === "/withdraw") keys = keys.slice(0, 1);
  if (request.method === "POST") answer = provider(keys);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ ...counted, kids: keys.map((key) => key.kid) }));
}).listen(controlPort, "127.0.0.1");
