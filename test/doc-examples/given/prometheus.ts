export { createServer } from 'node:http';
export { register } from 'prom-client';
