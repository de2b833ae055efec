import { faultOf, SHAPES } from './description.ts';

type Body = Readonly<Record<string, unknown>>;

/** What has been configured, as `/snapshot/create` would keep it. */
export interface Configured {
  machine?: Body;
  boot?: Body;
  drives: Body[];
  interfaces: Body[];
  vsock?: Body;
  entropy?: Body;
}

/** What happens behind the API when the rules allow it. A throw becomes the fault that the client is told. */
export interface Hypervisor {
  start(configured: Configured): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  save(body: Body, configured: Configured): Promise<void>;
  /** Gives what the saved machine had been configured with. */
  load(body: Body): Promise<Configured>;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
}

const PRE_BOOT = 'The requested operation is not supported after starting the microVM.';
const POST_BOOT = 'The requested operation is not supported before starting the microVM.';
/** Only these may come before a saved machine is loaded. */
const HARMLESS = new Set(['PUT /logger', 'PUT /metrics']);

/**
 * The rules of Firecracker's API, strictly: which request in which state, with which fields, after which other. One process is
 * one machine, begun once.
 */
export class FirecrackerRules {
  state: 'Not started' | 'Running' | 'Paused' = 'Not started';
  readonly #behind: Hypervisor;
  #configured: Configured = { drives: [], interfaces: [] };
  #touched = false;

  constructor(behind: Hypervisor) {
    this.#behind = behind;
  }

  async answer(method: string, path: string, text: string): Promise<Reply> {
    if (method === 'GET') return this.#get(path);
    const [, kind = '', id] = /^\/(drives|network-interfaces)\/([A-Za-z0-9_]+)$/.exec(path) ?? [];
    const name = kind === '' ? `${method} ${path}` : `${method} /${kind}/{}`;
    const shape = SHAPES[name];
    if (shape === undefined) return fault(`Invalid request method and/or path: ${method} ${path}.`);
    const body = parsed(text);
    if (body === undefined) return fault('An error occurred when deserializing the json body of a request.');
    const wrong = faultOf(shape, body);
    if (wrong !== undefined) return fault(`An error occurred when deserializing the json body of a request: ${wrong}.`);
    try {
      await this.#do(name, body, id);
      return { status: 204 };
    } catch (error) {
      return fault(error instanceof Error ? error.message : String(error));
    }
  }

  #get(path: string): Reply {
    const about = { id: 'vm', app_name: 'Firecracker', vmm_version: '1.17.0' };
    if (path === '/') return { status: 200, body: { ...about, state: this.state } };
    if (path === '/version') return { status: 200, body: { firecracker_version: '1.17.0' } };
    return fault(`Invalid request method and/or path: GET ${path}.`);
  }

  async #do(name: string, body: Body, id: string | undefined): Promise<void> {
    if (name === 'PATCH /vm') return await this.#vm(body);
    if (name === 'PUT /snapshot/create') return await this.#save(body);
    if (name === 'PUT /logger') return undefined;
    if (name === 'PUT /actions' && body.action_type !== 'InstanceStart') {
      if (this.state === 'Not started') throw new Error(POST_BOOT);
      return undefined;
    }
    if (this.state !== 'Not started') throw new Error(PRE_BOOT);
    if (name === 'PUT /snapshot/load') return await this.#load(body);
    if (name === 'PUT /actions') return await this.#start();
    this.#configure(name, body, id);
    if (!HARMLESS.has(name)) this.#touched = true;
  }

  #configure(name: string, body: Body, id: string | undefined): void {
    const all = this.#configured;
    if (name === 'PUT /machine-config') {
      const odd = Number(body.vcpu_count) > 1 && Number(body.vcpu_count) % 2 === 1;
      if (body.smt === true && odd) throw new Error('The vCPU number is invalid: 1 or an even one with SMT enabled.');
      if (body.huge_pages === '2M' && Number(body.mem_size_mib) % 2 === 1) throw new Error('mem_size_mib is odd.');
      all.machine = body;
    } else if (name === 'PUT /boot-source') {
      all.boot = body;
    } else if (name === 'PUT /drives/{}') {
      all.drives = this.#drive(body, id);
    } else if (name === 'PUT /network-interfaces/{}') {
      if (body.iface_id !== id) throw new Error('The id from the path does not match the id from the body!');
      const others = all.interfaces.filter(({ iface_id }) => iface_id !== id);
      const taken = (what: string) => others.some((one) => body[what] !== undefined && one[what] === body[what]);
      if (taken('guest_mac')) throw new Error('The guest MAC address is already in use.');
      if (taken('host_dev_name')) throw new Error('Could not create the network device: Resource busy.');
      all.interfaces = [...others, body];
    } else if (name === 'PUT /vsock') {
      all.vsock = body;
    } else if (name === 'PUT /entropy') {
      all.entropy = body;
    }
  }

  /** A block device of the file kind, or one of vhost-user: never half of each. */
  #drive(body: Body, id: string | undefined): Body[] {
    if (body.drive_id !== id) throw new Error('The id from the path does not match the id from the body!');
    const isFile = body.path_on_host !== undefined && body.is_read_only !== undefined;
    if (isFile === (body.socket !== undefined)) throw new Error('Unable to create the block device: invalid config.');
    const others = this.#configured.drives.filter(({ drive_id }) => drive_id !== id);
    if (body.is_root_device === true && others.some(({ is_root_device }) => is_root_device === true))
      throw new Error('A root block device already exists!');
    return [...others, body];
  }

  async #start(): Promise<void> {
    if (this.#configured.boot === undefined) throw new Error('Cannot start microvm without kernel configuration.');
    await this.#behind.start(this.#configured);
    this.state = 'Running';
  }

  async #load(body: Body): Promise<void> {
    if (this.#touched)
      throw new Error('Loading a microVM snapshot not allowed after configuring boot-specific resources.');
    if ((body.mem_file_path === undefined) === (body.mem_backend === undefined))
      throw new Error('Exactly one of `mem_backend` and `mem_file_path` must be specified.');
    this.#configured = await this.#behind.load(body);
    this.state = 'Paused';
    if (body.resume_vm === true) await this.#vm({ state: 'Resumed' });
  }

  async #vm(body: Body): Promise<void> {
    if (this.state === 'Not started') throw new Error(POST_BOOT);
    if (body.state === 'Paused') await this.#behind.pause();
    else await this.#behind.resume();
    this.state = body.state === 'Paused' ? 'Paused' : 'Running';
  }

  async #save(body: Body): Promise<void> {
    if (this.state === 'Not started') throw new Error(POST_BOOT);
    if (this.state !== 'Paused') throw new Error('Cannot save the microVM state: it is not paused.');
    const { machine } = this.#configured;
    if (body.snapshot_type === 'Diff' && machine?.track_dirty_pages !== true)
      throw new Error('Diff snapshots are not allowed on a microVM that does not track dirty pages.');
    await this.#behind.save(body, this.#configured);
  }
}

const fault = (message: string): Reply => ({ status: 400, body: { fault_message: message } });

function parsed(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
