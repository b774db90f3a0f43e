import { Cards } from './cards.js';
import { Connection } from './connection.js';
import { Detail } from './detail.js';
import { byId, setData, setText } from './format.js';

const words = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'No connection, trying again',
  resting: 'Resting',
};

const cards = new Cards();
const detail = new Detail();
let controls = false;
let lastDetail;

const connection = new Connection(
  (type, frame) =>
    type === 'all' ? takeAll(frame) : type === 'cards' ? takeCards(frame) : takeDetail(frame),
  state => {
    setData(byId('connection'), 'state', state);
    setText(byId('connection-text'), words[state]);
  },
);

/** The pool that is looked at: the one in the address, or, where there is room for both, the worst. */
function wantedKey() {
  const named = /^#pool=(.+)$/.exec(location.hash)?.[1];
  return named === undefined ? undefined : decodeURIComponent(named);
}

let focus = wantedKey();
let chosen = focus !== undefined;

function takeAll(frame) {
  controls = frame.controls;
  cards.replaceAll(frame.cards);
  if (focus === undefined || cards.get(focus) === undefined) {
    const next = cards.worst?.key;
    if (next !== undefined && next !== focus) {
      look(next);
      return;
    }
  }
  if (frame.detail !== undefined) {
    detail.replace(frame.detail);
    drawFocus();
    takeDetail(frame.detail);
  }
}

function takeCards(frame) {
  cards.update(frame.cards);
  drawFocus();
}

function takeDetail(frame) {
  const card = cards.get(frame.key);
  if (frame.key !== focus || card === undefined) return;
  lastDetail = frame;
  detail.draw(frame, card);
}

function drawFocus() {
  const card = focus === undefined ? undefined : cards.get(focus);
  if (card !== undefined) detail.drawCard(card, controls);
}

function look(key) {
  focus = key;
  lastDetail = undefined;
  cards.select(key);
  connection.open(key);
}

function follow() {
  const key = wantedKey();
  chosen = key !== undefined;
  setData(document.body, 'view', chosen ? 'pool' : 'list');
  if (key === undefined || key === focus) return;
  look(key);
  byId('detail').scrollTo?.(0, 0);
  window.scrollTo(0, 0);
}

window.addEventListener('hashchange', () => {
  follow();
  if (chosen) byId('detail').focus({ preventScroll: true });
});

const preference = window.matchMedia('(prefers-color-scheme: dark)');
function applyTheme() {
  const stored = localStorage.getItem('rxpool-theme');
  const theme = stored ?? (preference.matches ? 'dark' : 'light');
  if (document.documentElement.dataset.theme === theme) return;
  document.documentElement.dataset.theme = theme;
  detail.repaint();
}
preference.addEventListener('change', applyTheme);
byId('theme').addEventListener('click', () => {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('rxpool-theme', next);
  applyTheme();
});

applyTheme();
setData(document.body, 'view', chosen ? 'pool' : 'list');
cards.select(focus);
connection.open(focus);
