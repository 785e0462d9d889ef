// react-oidc-context as in its README, with the provider's metadata in the configuration, so that no discovery is needed.

import { WebStorageStateStore } from 'oidc-client-ts';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { AuthProvider, useAuth } from 'react-oidc-context';

const { metadata, keys, clientId, origin } = JSON.parse(document.getElementById('config').textContent);

const settings = {
  authority: metadata.issuer,
  metadata,
  signingKeys: keys,
  client_id: clientId,
  redirect_uri: `${origin}/callback`,
  scope: 'openid profile',
  userStore: new WebStorageStateStore({ store: localStorage }),
};

function Answer() {
  const auth = useAuth();
  const [answer, setAnswer] = useState();
  useEffect(() => {
    fetch('/api/whoami', { headers: { authorization: `Bearer ${auth.user.access_token}` } })
      .then((response) => response.json())
      .then(setAnswer);
  }, [auth.user.access_token]);
  return answer ? <p id="answer">{answer.sub}</p> : <p>…</p>;
}

function App() {
  const auth = useAuth();
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    // After the sign-in, goes to the page that the user wanted.
    if (auth.isAuthenticated && path === '/callback') {
      history.replaceState(null, '', auth.user.state ?? '/');
      setPath(location.pathname);
    }
  }, [auth.isAuthenticated]);
  const signIn = <button onClick={() => auth.signinRedirect({ state: location.pathname })}>Sign in</button>;
  return (
    <>
      <header>
        <a href="/">Bench</a> <a href="/account">Account</a>
        {auth.isAuthenticated ? <span id="name">{auth.user.profile.name}</span> : null}
      </header>
      <main>
        <h1>{path === '/account' ? 'Account' : 'The landing page'}</h1>
        {auth.isLoading ? null : auth.isAuthenticated ? path === '/account' ? <Answer /> : null : signIn}
      </main>
    </>
  );
}

createRoot(document.getElementById('root')).render(
  <AuthProvider {...settings}>
    <App />
  </AuthProvider>,
);
