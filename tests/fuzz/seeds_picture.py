"""Seeds of fuzz_picture: small pictures of every form that Pillow can write."""
import io

from PIL import Image


def saved(image, kind, **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def seeds():
    image = Image.linear_gradient("L").resize((19, 13)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = image.convert("RGBA")
    clear.putalpha(100)
    for mode in ("RGB", "L", "CMYK"):
        yield f"jpeg-{mode}", saved(image.convert(mode), "JPEG")
    yield "jpeg-progressive", saved(image, "JPEG", progressive=True)
    yield "jpeg-turned", saved(image, "JPEG", exif=exif)
    for form, name in ((image, "rgb"), (clear, "rgba"), (image.convert("L"), "grey"), (image.convert("1"), "bits"), (image.quantize(9), "palette"), (image.convert("I"), "deep")):
        yield f"png-{name}", saved(form, "PNG")
    yield "png-turned", saved(image, "PNG", exif=exif)
    for form, name, how in ((image, "lossy", {}), (clear, "alpha", {}), (clear, "lossless", {"lossless": True}), (image, "turned", {"exif": exif}), (image, "animated", {"save_all": True, "append_images": [clear.convert("RGB")]})):
        yield f"webp-{name}", saved(form, "WEBP", **how)
