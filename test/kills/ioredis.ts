import { Redis } from 'ioredis';
import { redisTrial } from './redis-trial.js';

export const trial = redisTrial('ioredis', url => new Redis(url));
