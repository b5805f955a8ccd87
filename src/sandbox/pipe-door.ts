/**
 * The door for traffic: a socket the supervisor listens on inside, whose connections arrive here.
 * It keeps count of them and of nothing they carry. What the sandbox says of them is judged as any
 * frame is; what a handler does wrong costs its connection and no other.
 */
import { OpenExecError } from '../schema/index.ts'
import { DoorConnection } from './pipe-connection.ts'
import { deferred, type Deferred } from './pipe-deferred.ts'
import type { Channel, Link } from './pipe-link.ts'
import type { Hello } from './protocol-messages.ts'
import {
  CHANNEL_MAX,
  DOOR_CONNECTIONS_FEW,
  DOOR_CONNECTIONS_MAX,
  DOOR_CONNECTIONS_OLD,
  DOOR_HELD_MAX,
  DOOR_INPUT_WINDOW,
  DOOR_WINDOW,
  type DoorFrame,
  FROM_DOOR,
  TO,
  violation,
} from './protocol.ts'
import type { OnEgress } from './sandbox.ts'

/** Gives what opens the door of this link; the first call makes it. */
export function openDoor(
  link: Link,
  hello: Hello,
): (port: number, onConnection: OnEgress) => Promise<number> {
  let door: Door | undefined
  return async (port, onConnection) => {
    link.assertOpen()
    if (!hello.hasDoor)
      throw new OpenExecError(
        'sandbox_failed',
        'Cannot listen in the sandbox: its supervisor is too old to know how',
        { hint: 'Build the supervisor anew with `npm run setup`' },
      )
    door ??= new Door(link, hello.hasManyConnections)
    return await door.listen(port, onConnection)
  }
}

class Door implements Channel<DoorFrame> {
  #link: Link
  #onConnection: OnEgress = (connection) => connection.destroy()
  #waiting: Deferred<number>[] = []
  #connections = new Map<number, DoorConnection>()
  #lastId = CHANNEL_MAX
  #hasMany: boolean

  constructor(link: Link, hasMany: boolean) {
    this.#link = link
    this.#hasMany = hasMany
    link.serveDoor(this)
  }

  listen(port: number, onConnection: OnEgress): Promise<number> {
    this.#onConnection = onConnection
    const answer = deferred<number>()
    this.#waiting.push(answer)
    const payload = Buffer.alloc(4)
    payload.writeUInt16BE(port)
    if (this.#hasMany) payload.writeUInt16BE(DOOR_CONNECTIONS_MAX, 2)
    this.#link.send(TO.listen, 0, [payload])
    return answer.promise
  }

  receive(frame: DoorFrame): void {
    if (frame.type === FROM_DOOR.listening) return this.#takeAnswer(frame.payload)
    if (frame.type === FROM_DOOR.opened) return this.#open(frame.channel)
    const connection = this.#connections.get(frame.channel)
    if (connection === undefined)
      throw violation(`frame for connection ${frame.channel}, which is not open`)
    connection.receive(frame)
  }

  fail(error: OpenExecError): void {
    for (const answer of this.#waiting.splice(0)) answer.reject(error)
    for (const connection of this.#connections.values()) connection.fail(error)
    this.#connections.clear()
  }

  #takeAnswer(payload: Buffer): void {
    const answer = this.#waiting.shift()
    if (answer === undefined) throw violation('it listens without having been asked to')
    const errno = payload.toString('latin1', 2)
    if (errno === '') return answer.resolve(payload.readUInt16BE(0))
    answer.reject(
      new OpenExecError('sandbox_failed', `Cannot listen in the sandbox: ${errno}`, {
        details: { errno },
      }),
    )
  }

  #most(): number {
    return this.#hasMany ? DOOR_CONNECTIONS_MAX : DOOR_CONNECTIONS_OLD
  }

  #window(): number {
    if (!this.#hasMany) return DOOR_INPUT_WINDOW.old
    return DOOR_INPUT_WINDOW[this.#connections.size > DOOR_CONNECTIONS_FEW ? 'many' : 'few']
  }

  #mayHold(): boolean {
    // So few cannot hold more than that.
    if (this.#connections.size * DOOR_WINDOW <= DOOR_HELD_MAX) return true
    let held = 0
    for (const connection of this.#connections.values()) held += connection.readableLength
    return held <= DOOR_HELD_MAX
  }

  #open(id: number): void {
    if (id <= this.#lastId) throw violation(`connection ${id} was there before`)
    if (this.#connections.size >= this.#most()) throw violation('too many connections')
    this.#lastId = id
    const onOver = () => void this.#connections.delete(id)
    const connection = new DoorConnection(this.#link, {
      id,
      onOver,
      window: () => this.#window(),
      mayHold: () => this.#mayHold(),
    })
    this.#connections.set(id, connection)
    try {
      this.#onConnection(connection)
    } catch (cause) {
      connection.destroy(
        new OpenExecError('internal', 'Cannot handle a connection of the sandbox', { cause }),
      )
    }
  }
}
