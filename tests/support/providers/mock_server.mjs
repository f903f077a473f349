// An OAuth 2 server that signs whatever it is asked to (npm `oauth2-mock-server`), for tests.
// Arguments: port. `claims` and `header` of a token request, in JSON, go into the token.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PROVIDERS}/package.json`);
const { OAuth2Server } = await import(pathToFileURL(require.resolve('oauth2-mock-server')));
const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
server.service.on('beforeTokenSigning', (token, request) => {
  Object.assign(token.payload, JSON.parse(request.body.claims ?? '{}'));
  Object.assign(token.header, JSON.parse(request.body.header ?? '{}'));
});
await server.start(Number(process.argv[2]), '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${process.argv[2]}`;
console.log('ready');
