/** Names in JSON that reach for an object's prototype. Fastify's parser refuses them, without a word on which and where. */
import { escapePointer, MOST_POINTER } from '#schema/fault-text'
import { problem } from '#schema/problem'

/** The problem to answer, with a JSON pointer to the first such name. */
export function refuseNames(value: unknown) {
  const pointer = findName(value).slice(0, MOST_POINTER)
  return problem(422, 'INVALID_BODY', 'the body has a field of a name that is never accepted; see errors', {
    errors: [{ pointer, detail: 'is never accepted as a name' }]
  })
}

function findName(value: unknown): string {
  const places = [{ pointer: '', value }]
  // a list that grows on the way: JSON may be nested deeper than functions may call each other
  for (const { pointer, value } of places) {
    if (typeof value !== 'object' || value === null) continue
    for (const [name, inner] of Object.entries(value)) {
      const place = `${pointer}/${escapePointer(name)}`
      if (name === '__proto__') return place
      if (name === 'constructor' && Object.hasOwn(Object(inner), 'prototype')) return `${place}/prototype`
      places.push({ pointer: place, value: inner })
    }
  }
  return ''
}
