// A service in Node, which shares no code with the gateway. It prints the ports of HTTP/1.1 and h2c and ends with its parent.

import { createHash } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';

const describe = (request) => {
  const pairs = Object.entries(request.headers).filter(([name]) => !name.startsWith(':'));
  const headers = pairs.map(([name, value]) => [name, String(value)]);
  return JSON.stringify({ version: request.httpVersion, method: request.method, uri: request.url, headers });
};

const answer = (request, response) => {
  const { pathname } = new URL(request.url, 'http://service');
  if (pathname === '/describe') {
    response.setHeader('content-type', 'application/json');
    response.end(describe(request));
  } else if (pathname === '/echo') {
    request.pipe(response);
  } else if (pathname === '/trailers') {
    response.setHeader('trailer', 'grpc-status');
    response.write('body');
    response.addTrailers({ 'grpc-status': '0' });
    response.end();
  } else if (pathname === '/events') {
    response.setHeader('content-type', 'text/event-stream');
    let number = 0;
    const timer = setInterval(() => {
      response.write(`data: ${number++}\n\n`);
      if (number === 3) {
        clearInterval(timer);
        response.end();
      }
    }, 50);
  } else {
    response.statusCode = 404;
    response.end();
  }
};

// The frames of RFC 6455, as far as an echo needs them.
const frame = (opcode, payload) => {
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (payload.length < 126) head[1] = payload.length;
  else if (payload.length < 65536) head.writeUInt16BE(payload.length, (head[1] = 126) && 2);
  else head.writeBigUInt64BE(BigInt(payload.length), (head[1] = 127) && 2);
  return Buffer.concat([head, payload]);
};

const echo = (socket, head) => {
  let data = head;
  const read = () => {
    for (;;) {
      if (data.length < 2) return;
      let [length, at] = [data[1] & 127, 2];
      if (length === 126) {
        if (data.length < 4) return;
        [length, at] = [data.readUInt16BE(2), 4];
      } else if (length === 127) {
        if (data.length < 10) return;
        [length, at] = [Number(data.readBigUInt64BE(2)), 10];
      }
      if (!(data[1] & 128)) return socket.destroy();
      if (data.length < at + 4 + length) return;
      const mask = data.subarray(at, at + 4);
      const payload = Buffer.from(data.subarray(at + 4, at + 4 + length)).map((byte, index) => byte ^ mask[index % 4]);
      const opcode = data[0] & 15;
      data = data.subarray(at + 4 + length);
      socket.write(frame(opcode, payload));
      if (opcode === 8) return socket.end();
    }
  };
  socket.on('error', () => {});
  socket.on('data', (more) => {
    data = Buffer.concat([data, more]);
    read();
  });
  read();
};

const plain = http.createServer(answer);
plain.on('upgrade', (request, socket, head) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  echo(socket, head);
});
const multiplexed = http2.createServer(answer);

const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
console.log(JSON.stringify([await listen(plain), await listen(multiplexed)]));
