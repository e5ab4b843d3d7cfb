import { testWire } from '../../../test/vectors/suite.ts'
import { heldOf, messageOf } from './held.ts'

testWire('redis', {
  held: heldOf,
  messageOf,
  // An entry has no other place for its type and its body.
  ofOthers: (held) => {
    const theirs = Object.entries(held.fields).filter(([name]) => name !== 'acuse-id' && name !== 'acuse-key')
    return { ...held, fields: Object.fromEntries(theirs) }
  },
})
