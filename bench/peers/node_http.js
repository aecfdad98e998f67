// Node's own HTTP server with the same plaintext as the others: node_http.js PORT
'use strict';
const http = require('http');
const body = Buffer.from('Hello, World!');
const server = http.createServer((request, response) => {
  response.writeHead(200, {'Content-Type': 'text/plain', 'Content-Length': body.length});
  response.end(body);
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.timeout = 0;
server.listen({port: +process.argv[2], host: '127.0.0.1', backlog: 4096});
