#!/bin/sh
# deploy.sh MODEL.onnx LABELS.txt [NAME]: zips a classifier with the mayfly.json beside this script, deploys it, and says how to ask it.
set -eu
here=$(dirname "$0")
model=$1 labels=$2 name=${3:-classifier}
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
cp "$model" "$package/model.onnx"
cp "$labels" "$package/labels.txt"
cp "$here/mayfly.json" "$package/"
(cd "$package" && /usr/bin/python3 -m zipfile -c package.zip model.onnx labels.txt mayfly.json)
mayfly deploy "$package/package.zip" --name "$name"
echo "ask it:  mayfly invoke $name @photo.jpg"
