// WebSocket echo with the package `ws`, without compression: node_ws.js PORT MODULES
'use strict';
const {WebSocketServer} = require(process.argv[3] + '/ws');
const server = new WebSocketServer({port: +process.argv[2], host: '127.0.0.1', backlog: 4096,
                                    perMessageDeflate: false});
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, {binary: isBinary}));
});
