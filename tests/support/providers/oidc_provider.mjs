// A certified OpenID provider (npm `oidc-provider`) with one client and one API, for tests.
// Arguments: port, name of its signing key, type of access tokens' algorithm.
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PROVIDERS}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, kid, alg] = process.argv.slice(2);

const kinds = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  EdDSA: ['ed25519', {}],
};
const made = (kind, name, how) => ({
  ...generateKeyPairSync(...kinds[kind]).privateKey.export({ format: 'jwk' }),
  kid: name,
  alg: how,
  use: 'sig',
});
// It wants a key for RS256 whatever it signs with.
const keys = alg === 'RS256' ? [made(alg, kid, alg)] : [made(alg, kid, alg), made('RS256', `${kid}-rsa`, 'RS256')];

const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [
    {
      client_id: 'crm',
      client_secret: 'hush',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    dPoPSigningAlgValues: ['ES256', 'EdDSA', 'PS256'],
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://api.example.com',
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, audience) => ({
        audience,
        scope: 'orders:read',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg } },
      }),
    },
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
