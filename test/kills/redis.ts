import { createClient } from 'redis';
import { redisTrial } from './redis-trial.js';

export const trial = redisTrial('redis', url => createClient({ url }));
