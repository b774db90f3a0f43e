export { instrumentPool, type InstrumentPoolOptions } from './instrument-pool.js';
export { attributes as attributeNames, names as metricNames } from './names.js';
