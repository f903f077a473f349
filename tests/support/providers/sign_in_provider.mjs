// A certified OpenID provider (npm `oidc-provider`) that people sign in at, for tests.
// Arguments: port, name of its signing key, the gate's address, and settings as JSON:
// {algorithm, method, jwk, pushed, refresh, expires, amr}; with `amr` it says by what means they have.
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PROVIDERS}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, kid, gate, more] = process.argv.slice(2);
const { algorithm = 'ES256', method = 'client_secret_basic', jwk = null, pushed = true, refresh = false, expires = 3600, amr = false } = JSON.parse(more);

const kinds = { ES256: ['ec', { namedCurve: 'P-256' }], RS256: ['rsa', { modulusLength: 2048 }], EdDSA: ['ed25519', {}] };
const made = (name, alg) => ({
  ...generateKeyPairSync(...kinds[alg]).privateKey.export({ format: 'jwk' }),
  kid: name,
  alg,
  use: 'sig',
});
const gone = new Set();
const asked = { refresh_token: 0, exchange: [] };
const people = {
  ada: { name: 'Ada L.', email: 'ada@example.com', email_verified: true, groups: ['math', 'staff'] },
  bob: { name: 'Bob', email: 'bob@example.com', email_verified: true, groups: [] },
  eve: { name: 'Eve', email: 'eve@example.com', email_verified: true, groups: Array(900).fill('group') },
};
const issuer = `http://localhost:${port}`;
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const client = {
  client_id: 'gate',
  grant_types: ['authorization_code', ...(refresh ? ['refresh_token', exchange] : [])],
  response_types: ['code'],
  redirect_uris: [`${gate}/.lockgate/staff/callback`, `${gate}/.lockgate/staff/callback/company`],
  post_logout_redirect_uris: [`${gate}/.lockgate/staff/signed-out`],
  backchannel_logout_uri: `${gate}/.lockgate/staff/back-channel-logout`,
  backchannel_logout_session_required: true,
  token_endpoint_auth_method: method,
  id_token_signed_response_alg: algorithm,
  ...(jwk === null ? { client_secret: 'hush & more: 100%' } : { jwks: { keys: [jwk] } }),
};
const provider = new Provider(issuer, {
  jwks: { keys: algorithm === 'RS256' ? [made(kid, 'RS256')] : [made(kid, algorithm), made(`${kid}-rsa`, 'RS256')] },
  clients: [client],
  claims: { openid: amr ? ['sub', 'amr'] : ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
  cookies: { keys: ['only for tests'] },
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
    clientAuthSigningAlgValues: ['ES256', 'RS256', 'PS256', 'EdDSA'],
  },
  features: {
    devInteractions: { enabled: false },
    pushedAuthorizationRequests: { enabled: pushed },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html><title>Leave</title><h1>Leave?</h1>${form}
          <button form="op.logoutForm" name="logout" value="yes" autofocus>Leave the provider</button>`;
      },
    },
  },
  ...(refresh ? { issueRefreshToken: async () => true, ttl: { AccessToken: expires } } : {}),
  findAccount: (ctx, id) => (
    gone.has(id) ? undefined : { accountId: id, claims: () => ({ sub: id, ...people[id] }) }
  ),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  // By itself it calls no loopback addresses, where this test's gate is.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
});
// What a person at the provider's own console does: groups change, accounts are closed.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/console/')) return next();
  const { who, groups } = ctx.query;
  if (ctx.path === '/console/groups') people[who].groups = groups.split(',');
  if (ctx.path === '/console/close') gone.add(who);
  ctx.body = asked;
  return undefined;
});
provider.on('grant.success', (ctx) => {
  if (ctx.oidc.params.grant_type === 'refresh_token') asked.refresh_token += 1;
});
// RFC 8693, as small as can be: what `oidc-provider` leaves to whoever runs it.
provider.registerGrantType(exchange, async (ctx) => {
  const { subject_token: shown, audience, scope, resource } = ctx.oidc.params;
  const refuse = (error) => {
    ctx.status = 400;
    ctx.body = { error };
  };
  const known = await provider.AccessToken.find(shown);
  if (!known || known.isExpired) return refuse('invalid_grant');
  if (audience === 'nowhere') return refuse('invalid_target');
  if (audience === 'forbidden') return refuse('access_denied');
  asked.exchange.push({ who: known.accountId, audience, scope, resource });
  const made = [known.accountId, audience ?? '', (scope ?? '').replaceAll(/[ :]/g, '-')].join('.');
  ctx.body = {
    access_token: `for.${made}`, token_type: 'Bearer', expires_in: expires,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  };
  return undefined;
}, ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope', 'resource'], ['audience', 'resource']);
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const wanted = details.prompt.name;
  if (wanted === 'login' && ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = '<!doctype html><title>Provider</title><h1>Who are you?</h1>'
      + '<form method="post"><input name="login" autofocus><button>Enter</button>'
      + '<button name="abort" value="1">Never mind</button></form>';
    return undefined;
  }
  let result;
  if (wanted === 'login') {
    const chunks = [];
    for await (const chunk of ctx.req) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    result = form.get('abort')
      ? { error: 'access_denied', error_description: 'the person did not want to' }
      : { login: { accountId: form.get('login'), amr: (form.get('amr') ?? 'pwd').split(' '), acr: '1' } };
  } else {
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope(details.params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  ctx.respond = false;
  return undefined;
});
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
provider.on('server_error', (ctx, error) => console.error(error));
provider.on('backchannel.error', (ctx, error) => console.error('backchannel', error));
provider.on('backchannel.success', () => console.log('told'));
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
