"""Train the small tower of builtin:lite: LiT, a text tower against a locked image tower.

    python bench/model/corpus_features.py CORPUS pd.npz
    python bench/model/train_lite.py pd.npz --hold-out random --out pipeline/models/builtin_lite
    python bench/model/train_lite.py pd.npz --hold-out hands --out /tmp/hands
    python bench/model/seal.py pipeline/models/builtin_lite /tmp/hands

Data: public-domain openclipart images and captions of the corpus, nothing else. Trained: a linear
projection of the 1280 pooled image features, a text transformer, a temperature. The image tower
(EfficientNet-Lite0, ImageNet) is locked, so its features are computed once, of each image and of
its mirror image.
Loss: CLIP with label smoothing, in which images of one title are positives of each other.
Tokens of the training captions get a row each; all others share one row, which is trained by
putting it in the place of random tokens.

--hold-out random: 500 images of a caption that stands once in the corpus. Most have siblings of
  their series in training, so the figure flatters; it is the one of the shipped weights.
--hold-out hands: hands in seeded random order, until 1,000 such images; all their images leave
  training. This is nearer to what strangers' images get.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline.models import imports

torch = imports.torch()
F = torch.nn.functional
CHUNK = 128  # captions of similar length that run together
UNKNOWN = 1  # compact id of the shared row; 0 is padding, the end token has the highest id


@dataclass(frozen=True)
class Settings:
    width: int = 128
    heads: int = 4
    layers: int = 3
    context: int = 32
    embed_dim: int = 256
    steps: int = 300
    batch: int = 512
    rate: float = 1.5e-3
    decay: float = 0.1
    smoothing: float = 0.1
    tag_dropout: float = 0.3
    title_dropout: float = 0.1
    token_dropout: float = 0.05
    feature_dropout: float = 0.3
    noise: float = 0.1
    seed: int = 7


def unique_captions(captions: np.ndarray) -> np.ndarray:
    """Return the indices of images whose caption stands once, whatever its case."""
    low = np.char.lower(captions)
    _, first, counts = np.unique(low, return_index=True, return_counts=True)
    return np.sort(first[counts == 1])


def held_out(kind: str, captions: np.ndarray, hands: np.ndarray, seed: int) -> tuple:
    """Return (indices to test, indices that stay out of training)."""
    rng = np.random.default_rng([seed, 500])
    unique = unique_captions(captions)
    if kind == "random":
        test = np.sort(rng.choice(unique, 500, replace=False))
        return test, test
    names = np.unique(hands)
    chosen: list[str] = []
    count = 0
    for name in rng.permutation(names):
        size = int((hands[unique] == name).sum())
        if count + size <= 1000:
            chosen.append(name)
            count += size
    out = np.flatnonzero(np.isin(hands, chosen))
    test = np.intersect1d(out, unique)
    print(f"{len(chosen)} of {len(names)} hands held out, {len(out)} images, {len(test)} to test")
    return test, out


class Captions:
    """Captions as compact token ids, with dropout of tags, of the title and of tokens."""

    def __init__(self, captions: np.ndarray, train: np.ndarray, s: Settings) -> None:
        self.s = s
        self.tokenize = imports.open_clip().SimpleTokenizer(context_length=s.context)
        self.captions = [str(c) for c in captions]
        ids = np.unique(self.tokenize([self.captions[i] for i in train]).numpy())
        self.used = ids[ids != 0]
        self.compact = np.full(49408, UNKNOWN)
        self.compact[0] = 0
        self.compact[self.used] = np.arange(2, 2 + len(self.used))
        self.size = 2 + len(self.used)

    def whole(self, rows: np.ndarray):
        return self._ids([self.captions[i] for i in rows])

    def augmented(self, rows: np.ndarray, rng: np.random.Generator):
        ids = self._ids([self._dropped(self.captions[i], rng) for i in rows])
        drop = torch.from_numpy(rng.random(ids.shape) < self.s.token_dropout)
        inner = (ids > UNKNOWN) & (ids < self.size - 2)  # never the start and the end token
        return torch.where(drop & inner, UNKNOWN, ids)

    def _dropped(self, caption: str, rng: np.random.Generator) -> str:
        title, *tags = caption.split(", ")
        tags = [t for t in dict.fromkeys(tags) if rng.random() > self.s.tag_dropout]
        rng.shuffle(tags)
        if tags and rng.random() < self.s.title_dropout:
            return ", ".join(tags)
        return ", ".join([title, *tags])

    def _ids(self, texts: list[str]):
        ids = torch.from_numpy(self.compact[self.tokenize(texts).numpy()])
        return ids[:, : int((ids > 0).sum(1).max())]


class Tower(torch.nn.Module):
    """open_clip's own text tower over the compact vocabulary, and the image projection."""

    def __init__(self, vocabulary: int, s: Settings) -> None:
        super().__init__()
        self.text = imports.open_clip().transformer.TextTransformer(
            context_length=s.context,
            vocab_size=vocabulary,
            width=s.width,
            heads=s.heads,
            layers=s.layers,
            output_dim=s.embed_dim,
        )
        self.mask = self.text.attn_mask
        self.proj = torch.nn.Linear(1280, s.embed_dim, bias=False)
        self.scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def images(self, pooled):
        return F.normalize(self.proj(pooled), dim=-1)

    def texts(self, ids):
        """Return unit vectors; short captions run together, without the padding of long ones."""
        lengths = (ids > 0).sum(1)
        order = torch.argsort(lengths)
        parts = []
        for rows in order.split(CHUNK):
            # open_clip slices its causal mask only in other modes; padding comes after the end
            # token, which alone is read, and so changes nothing
            n = int(lengths[rows].max())
            self.text.attn_mask = self.mask[:n, :n]
            parts.append(self.text(ids[rows, :n]))
        return F.normalize(torch.cat(parts)[torch.argsort(order)], dim=-1)


def positives(captions: list[str]):
    """Return float[n, n]: which texts are right for which images, rows summing to one."""
    titles = np.array([c.split(", ")[0].lower() for c in captions])
    same = torch.from_numpy((titles[:, None] == titles[None, :]).astype(np.float32))
    return same / same.sum(1, keepdim=True)


def train(data, out_of_training: np.ndarray, s: Settings):
    torch.manual_seed(s.seed)
    rng = np.random.default_rng(s.seed)
    rows = np.setdiff1d(np.arange(len(data["caption"])), out_of_training)
    captions = Captions(data["caption"], rows, s)
    tower = Tower(captions.size, s)
    pool = torch.from_numpy(data["pool"].astype(np.float32))
    spread = pool[0, rows].std(0)
    plain = [p for p in tower.parameters() if p.ndim < 2]
    heavy = [p for p in tower.parameters() if p.ndim >= 2]
    groups = [{"params": heavy, "weight_decay": s.decay}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=s.rate, betas=(0.9, 0.98))

    def rate(step: int) -> float:
        return min((step + 1) / 40, 0.5 + 0.5 * math.cos(math.pi * step / s.steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    order, at, began, cpu = rng.permutation(rows), 0, time.time(), time.process_time()
    for step in range(s.steps):
        if at + s.batch > len(order):
            order, at = rng.permutation(rows), 0
        batch = order[at : at + s.batch]
        at += s.batch
        view = rng.integers(0, len(pool), len(batch))
        x = pool[view, batch]
        x = F.dropout(x + s.noise * spread * torch.randn_like(x), s.feature_dropout)
        image = tower.images(x)
        text = tower.texts(captions.augmented(batch, rng))
        logits = tower.scale.exp() * image @ text.T
        want = positives([captions.captions[i] for i in batch])
        want = (1 - s.smoothing) * want + s.smoothing / len(batch)
        loss = F.cross_entropy(logits, want) / 2 + F.cross_entropy(logits.T, want) / 2
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        tower.scale.data.clamp_(0, math.log(100))
        if step % 60 == 59:
            print(
                f"step {step + 1} loss {loss.item():.3f} {time.time() - began:.0f} s "
                f"({time.process_time() - cpu:.0f} CPU s)",
                flush=True,
            )
    return tower.eval(), captions


def recall(tower, captions: Captions, data, test: np.ndarray) -> dict[str, float]:
    """Return recall at 1, 5, 10, median rank, text to image and back, and matched cosines."""
    with torch.inference_mode():
        image = tower.images(torch.from_numpy(data["pool"][0, test].astype(np.float32)))
        text = tower.texts(captions.whole(test))
    cosine = (text @ image.T).numpy()
    found: dict[str, float] = {"n": len(test)}
    for name, m in (("text_to_image", cosine), ("image_to_text", cosine.T)):
        rank = (m > np.diag(m)[:, None]).sum(1)
        found |= {f"{name}_r{k}": round(float((rank < k).mean()), 3) for k in (1, 5, 10)}
        found[f"{name}_median_rank"] = int(np.median(rank)) + 1
    off = cosine[~np.eye(len(test), dtype=bool)]
    found["matched_cosine"] = round(float(np.diag(cosine).mean()), 3)
    found["mismatched_cosine"] = round(float(off.mean()), 3)
    return found


def save(tower, captions: Captions, s: Settings, figures: dict, folder: Path) -> None:
    """Write what ships: projection, text tower, used token rows, the shared row; half floats."""
    state = {k: v.detach().numpy() for k, v in tower.text.state_dict().items()}
    table = state.pop("token_embedding.weight")
    arrays = {f"text.{k}": v.astype(np.float16) for k, v in state.items()}
    arrays |= {
        "token_rows": table[2:].astype(np.float16),
        "token_unknown": table[UNKNOWN].astype(np.float16),
        "token_padding": table[0].astype(np.float16),
        "token_ids": captions.used.astype(np.int32),
        "visual.head.proj.weight": tower.proj.weight.detach().numpy().astype(np.float16),
        "logit_scale": tower.scale.detach().numpy().astype(np.float32),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / "tower.safetensors")
    document = {"settings": asdict(s), "figures": figures}
    (folder / "training.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("--hold-out", choices=["random", "hands"], default="random")
    parser.add_argument("--out", type=Path)
    for name, value in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = vars(parser.parse_args())
    torch.set_num_threads(1)
    data = dict(np.load(args.pop("features")))
    kind, out = args.pop("hold_out"), args.pop("out")
    s = Settings(**args)
    test, out_of_training = held_out(kind, data["caption"], data["hand"], s.seed)
    tower, captions = train(data, out_of_training, s)
    figures = {kind: recall(tower, captions, data, test)}
    print(json.dumps(figures))
    if out:
        save(tower, captions, s, figures, out)


if __name__ == "__main__":
    main()
