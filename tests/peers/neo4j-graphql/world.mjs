// The world that both servers are asked about, in EntityGraph's world format: systems > planets > stations > ships, and each
// ship is an instance of a container of exactly 60 entities (ship > 3 decks > 8 rooms > 48 things).
//
// All but the things in rooms are zones or stand in a ship, so that each entity has a place of its own.

import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

export const SHIP_ENTITIES = 60;
export const SHIPS_AT_STATION = 52;
const ROOMS_OF_DECKS = [3, 3, 2];
const KINDS_IN_ROOM = ['crate', 'crate', 'crate', 'tool', 'tool', 'ore'];
// A system has two planets with a station each; freighters are at one of them and liners at the other.
const CLASSES = [
  { name: 'freighter', speciality: 'reactor' },
  { name: 'liner', speciality: 'galley' },
];

/** Writes a world of this many systems; each has 6,245 entities. */
export async function writeWorld(file, systems) {
  const out = createWriteStream(file);
  const document = { world: 'peer', containers: containers(), entities: [universe()] };
  out.write(`${JSON.stringify(document)}\n`);
  for (let number = 0; number < systems; number++) {
    const entities = [system(number)];
    if (!out.write(`---\n${JSON.stringify({ world: 'peer', entities })}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

const at = (...position) => ({ pose: { at: position } });

function containers() {
  const things = ['crate', 'tool', 'ore', ...CLASSES.map((ship) => ship.speciality)].map((kind) => ({ name: `thing/${kind}`, kind }));
  const ships = CLASSES.flatMap(({ name, speciality }) => {
    const decks = ROOMS_OF_DECKS.map((rooms, deck) => ({
      name: `${name}/deck-${deck}`,
      kind: 'deck',
      children: Array.from({ length: rooms }, (_, room) => ({
        name: `room-${deck}-${room}`,
        // The first room of the first deck has the one thing that only ships of this class have.
        container: deck + room === 0 ? `${name}/special-room` : 'room',
        ...at(8 * room - 8, 0, 6 * deck - 6),
      })),
    }));
    const ship = {
      name: `ship/${name}`,
      kind: 'ship',
      root: true,
      zone: { cube: 100 },
      children: decks.map((deck, level) => ({ name: `deck-${level}`, container: deck.name, ...at(0, 0, 6 * level - 6) })),
    };
    return [room(`${name}/special-room`, [...KINDS_IN_ROOM.slice(0, -1), speciality]), ...decks, ship];
  });
  return [...things, room('room', KINDS_IN_ROOM), ...ships];
}

function room(name, kinds) {
  const children = kinds.map((kind, place) => ({ name: `${kind}-${place}`, container: `thing/${kind}`, ...at(place - 2.5, 1, 0.5) }));
  return { name, kind: 'room', children };
}

function universe() {
  return { key: 'universe', name: 'Universe', kind: 'universe', zone: { cube: 1e10 } };
}

function system(number) {
  const key = `system-${number}`;
  const planets = CLASSES.map((ship, place) => ({
    key: `${key}/planet-${place}`,
    name: `Planet ${number}-${place}`,
    kind: 'planet',
    ...at(4e5 * (place + 1), 1e5, 0),
    zone: { cube: 1e5 },
    children: [station(`${key}/planet-${place}/station`, number, place, ship.name)],
  }));
  return { key, name: `System ${number}`, kind: 'system', parent: 'universe', ...at(1e7 * number, 0, 0), zone: { cube: 2e6 }, children: planets };
}

function station(key, number, place, shipClass) {
  const ships = Array.from({ length: SHIPS_AT_STATION }, (_, berth) => ({
    key: `${key}/ship-${berth}`,
    // Names out of the order in which ships are written, so that sorting by name is work.
    name: `${shipClass} ${String((berth * 31) % SHIPS_AT_STATION).padStart(2, '0')}`,
    container: `ship/${shipClass}`,
    ...at(200 * berth, 150, 0),
  }));
  return { key, name: `Station ${number}-${place}`, kind: 'station', ...at(3e4, 0, 0), zone: { cube: 4e4 }, children: ships };
}
