// @asgardeo/auth-react as in its README.

import { AuthProvider, useAuthContext } from '@asgardeo/auth-react';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const { metadata, clientId, origin } = JSON.parse(document.getElementById('config').textContent);

const settings = {
  signInRedirectURL: `${origin}/callback`,
  signOutRedirectURL: `${origin}/`,
  clientID: clientId,
  baseUrl: new URL(metadata.issuer).origin,
  scope: ['openid', 'profile'],
  storage: 'localStorage',
  endpoints: {
    authorizationEndpoint: metadata.authorization_endpoint,
    tokenEndpoint: metadata.token_endpoint,
    jwksUri: metadata.jwks_uri,
    endSessionEndpoint: metadata.end_session_endpoint,
    issuer: metadata.issuer,
  },
  disableTrySignInSilently: true,
  disableAutoSignIn: true,
  sendCookiesInRequests: false,
};

function Answer() {
  const { getAccessToken } = useAuthContext();
  const [answer, setAnswer] = useState();
  useEffect(() => {
    getAccessToken()
      .then((token) => fetch('/api/whoami', { headers: { authorization: `Bearer ${token}` } }))
      .then((response) => response.json())
      .then(setAnswer);
  }, []);
  return answer ? <p id="answer">{answer.sub}</p> : <p>…</p>;
}

function App() {
  const { state, signIn, getDecodedIDToken } = useAuthContext();
  const [path, setPath] = useState(location.pathname);
  const [name, setName] = useState();
  useEffect(() => {
    if (!state.isAuthenticated) return;
    getDecodedIDToken().then((claims) => setName(claims.name));
    if (path === '/callback') {
      history.replaceState(null, '', sessionStorage.getItem('going') ?? '/');
      setPath(location.pathname);
    }
  }, [state.isAuthenticated]);
  const begin = () => {
    sessionStorage.setItem('going', location.pathname);
    signIn();
  };
  return (
    <>
      <header>
        <a href="/">Bench</a> <a href="/account">Account</a>
        {name ? <span id="name">{name}</span> : null}
      </header>
      <main>
        <h1>{path === '/account' ? 'Account' : 'The landing page'}</h1>
        {state.isLoading || path === '/callback' ? null : state.isAuthenticated ? (
          path === '/account' ? <Answer /> : null
        ) : (
          <button onClick={begin}>Sign in</button>
        )}
      </main>
    </>
  );
}

createRoot(document.getElementById('root')).render(
  <AuthProvider config={settings}>
    <App />
  </AuthProvider>,
);
