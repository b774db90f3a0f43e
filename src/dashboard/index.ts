export { dashboard, type Dashboard, type DashboardOptions } from './dashboard.js';
export {
  dashboardHandler,
  type DashboardHandler,
  type DashboardHandlerOptions,
} from './handler.js';
export type { PoolDirectory, PoolSource } from './sources.js';
export type { HealthThresholds } from '../metrics/index.js';
