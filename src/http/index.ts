export type {
  HttpClient,
  HttpConnector,
  HttpDriver,
  HttpSocket,
  RawBody,
  RawResponse,
} from './client.js';
export { httpPool, type HttpPoolOptions } from './http-pool.js';
export { request, type HttpRequest } from './request.js';
export type { HttpResponse } from './response.js';
export { HttpStatusError } from './status-error.js';
