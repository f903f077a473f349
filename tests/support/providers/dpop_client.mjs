// A client of a provider that gets a token bound to its key (DPoP, RFC 9449) and sends it to an API.
// Arguments: the provider's URL, the API's URL, the key's algorithm. The proofs are made with npm `jose`.
// Writes one JSON object: what the API answered to each way of sending the token.
import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PROVIDERS}/package.json`);
const { SignJWT, exportJWK, generateKeyPair } = await import(pathToFileURL(require.resolve('jose')));
const [provider, api, alg] = process.argv.slice(2);

const pair = () => generateKeyPair(alg, { extractable: true });
const key = await pair();
const prove = async ({ privateKey, publicKey }, claims) =>
  new SignJWT({ jti: randomUUID(), ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: await exportJWK(publicKey) })
    .setIssuedAt()
    .sign(privateKey);

const form = { grant_type: 'client_credentials', client_id: 'crm', client_secret: 'hush', scope: 'orders:read' };
const got = await fetch(`${provider}/token`, {
  method: 'POST',
  headers: { DPoP: await prove(key, { htm: 'POST', htu: `${provider}/token` }) },
  body: new URLSearchParams(form),
});
const { access_token: token, token_type: type } = await got.json();
const ath = createHash('sha256').update(token).digest('base64url');

const send = async (scheme, proof, method = 'GET') => {
  const headers = { Authorization: `${scheme} ${token}`, ...(proof && { DPoP: proof }) };
  const answer = await fetch(api, { method, headers });
  const text = await answer.text();
  const reason = answer.status === 200 ? 'ok' : JSON.parse(text).reason;
  return { reason, nonce: answer.headers.get('dpop-nonce'), challenge: answer.headers.get('www-authenticate') };
};
const claims = { htm: 'GET', htu: api, ath };

const said = { type };
const first = await send('DPoP', await prove(key, claims));
said.first = first.reason;
said.challenge = first.challenge;
const nonce = first.nonce ? { nonce: first.nonce } : {};
const proof = await prove(key, { ...claims, ...nonce });
said.proved = (await send('DPoP', proof)).reason;
said.again = (await send('DPoP', proof)).reason;
said.bearer = (await send('Bearer', await prove(key, { ...claims, ...nonce }))).reason;
said.without = (await send('DPoP')).reason;
said.stolen = (await send('DPoP', await prove(await pair(), { ...claims, ...nonce }))).reason;
said.method = (await send('DPoP', await prove(key, { ...claims, ...nonce }), 'POST')).reason;
said.elsewhere = (await send('DPoP', await prove(key, { ...claims, ...nonce, htu: `${api}/x` }))).reason;
console.log(JSON.stringify(said));
