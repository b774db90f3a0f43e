/** Words and numbers as the page shows them. */

export const statusWords = {
  ok: 'Healthy',
  saturated: 'Saturated',
  createFails: 'Creates fail',
  leaking: 'Leaking',
  paused: 'Paused',
  draining: 'Draining',
  closed: 'Closed',
};

/** The worst first. */
export const severity = [
  'createFails',
  'saturated',
  'leaking',
  'draining',
  'paused',
  'closed',
  'ok',
];

export const places = ['leased', 'idle', 'creating', 'validating', 'resetting', 'destroying'];

export const letters = {
  L: 'leased',
  I: 'idle',
  C: 'creating',
  V: 'validating',
  R: 'resetting',
  D: 'destroying',
};

export function duration(millis) {
  if (millis === null) return '–';
  if (millis < 1) return millis > 0 ? '< 1 ms' : '0 ms';
  if (millis < 1000) return `${Math.round(millis)} ms`;
  const seconds = millis / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 100) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} d`;
}

export function rate(value) {
  if (value === 0) return '0';
  if (value < 10) return value.toFixed(1);
  if (value < 10_000) return Math.round(value).toLocaleString('en');
  return `${(value / 1000).toFixed(1)} k`;
}

export function limit(max) {
  return max === null || max === undefined ? '∞' : String(max);
}

export function plural(count, word) {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

export function clock(at) {
  const time = new Date(at);
  const two = number => String(number).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

/** Writes only what differs: a page of a hundred pools is redrawn four times a second. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

export function byId(id) {
  return document.getElementById(id);
}
