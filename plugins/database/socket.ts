/** A socket that sends what is written in one turn of the event loop in one call to the system: the call is the dear part. */
import { Socket } from 'node:net'

export function createSocket(): Socket {
  const socket = new Socket()
  // not before: to connect puts the socket's own `write` back
  return socket.once('connect', () => holdBack(socket))
}

function holdBack(socket: Socket): void {
  const write = socket.write.bind(socket)
  let isHeld = false
  const release = () => {
    isHeld = false
    socket.uncork()
  }
  const writeHeld = (...given: Parameters<typeof write>) => {
    if (!isHeld) {
      isHeld = true
      socket.cork()
      process.nextTick(release)
    }
    return write(...given)
  }
  // the assertion: its overloads are those of `write`, to which everything goes
  socket.write = writeHeld as Socket['write']
}
