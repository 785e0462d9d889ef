// The lower bound: the same pages written by hand, with the minimum that a sign-in with PKCE needs. It validates less than the others.

const { metadata, clientId, origin } = JSON.parse(document.getElementById('config').textContent);

const encoded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
const random = () => encoded(crypto.getRandomValues(new Uint8Array(32)));
const claims = (token) => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))));

async function signIn() {
  const [state, nonce, verifier] = [random(), random(), random()];
  sessionStorage.pending = JSON.stringify({ state, nonce, verifier, going: location.pathname });
  const challenge = encoded(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: `${origin}/callback`,
    response_type: 'code',
    scope: 'openid profile',
    state,
    nonce,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  location.assign(`${metadata.authorization_endpoint}?${query}`);
}

async function complete() {
  const query = new URLSearchParams(location.search);
  const { state, nonce, verifier, going } = JSON.parse(sessionStorage.pending);
  if (query.get('state') !== state) throw new Error('another state');
  const answer = await fetch(metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: query.get('code'),
      redirect_uri: `${origin}/callback`,
      client_id: clientId,
      code_verifier: verifier,
    }),
  });
  const tokens = await answer.json();
  const { iss, aud, nonce: returned } = claims(tokens.id_token);
  if (iss !== metadata.issuer || aud !== clientId || returned !== nonce) throw new Error('another ID token');
  localStorage.tokens = JSON.stringify(tokens);
  history.replaceState(null, '', going);
}

const show = (id, text) => Object.assign(document.getElementById(id), { textContent: text, hidden: false });

async function start() {
  if (location.pathname === '/callback') await complete();
  const tokens = localStorage.tokens && JSON.parse(localStorage.tokens);
  if (!tokens) {
    const button = document.querySelector('button');
    button.onclick = signIn;
    button.hidden = false;
    return;
  }
  show('name', claims(tokens.id_token).name);
  if (location.pathname !== '/account') return;
  const answer = await fetch('/api/whoami', { headers: { authorization: `Bearer ${tokens.access_token}` } });
  show('answer', (await answer.json()).sub);
}

start();
