// A certified OpenID provider (npm `oidc-provider`) whose access tokens are opaque, for tests. It says
// how often it was asked about tokens at `/asked`.
// Arguments: port, how the gate proves itself, and its public key (JWK) where it does so by one.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PROVIDERS}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, method, key] = process.argv.slice(2);

const issuer = `http://127.0.0.1:${port}`;
const client = (client_id, token_endpoint_auth_method) => ({
  client_id,
  client_secret: 'hush: a & b',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method,
});
const provider = new Provider(issuer, {
  clients: [
    client('crm', 'client_secret_post'),
    { ...client('lockgate', method ?? 'client_secret_basic'), ...(key ? { jwks: { keys: [JSON.parse(key)] } } : {}) },
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256', 'RS256', 'PS256'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://api.example.com',
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, audience) => ({
        audience,
        scope: 'orders:read orders:write',
        accessTokenFormat: audience.startsWith('https://jwt.') ? 'jwt' : 'opaque',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
let asked = 0;
provider.use(async (ctx, next) => {
  if (ctx.path === '/asked') {
    ctx.body = { asked };
    return;
  }
  asked += ctx.path === '/token/introspection' ? 1 : 0;
  await next();
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
